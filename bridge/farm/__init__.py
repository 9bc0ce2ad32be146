"""Shots for a farm: what a scheduler needs to run the two kinds of task of a shot, and nothing that schedules."""
