"""The version of the product, written once."""

VERSION = "0.1.0"
