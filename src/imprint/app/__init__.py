"""The web app: a page on this machine that shows runs, explorations, networks and sounds."""

from imprint.app.addresses import Address, is_loopback, listening_socket
from imprint.app.named_folders import NamedFolders
from imprint.app.password import read_password
from imprint.app.server import serve

__all__ = ["Address", "NamedFolders", "is_loopback", "listening_socket", "read_password", "serve"]
