"""The version of Keenline, for rooms that must not know what the package as a whole offers."""

VERSION = "0.1.0"
