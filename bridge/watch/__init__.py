"""The watch folder: sequences that arrive in it are paired with their trimaps, solved by the daemon and delivered."""
