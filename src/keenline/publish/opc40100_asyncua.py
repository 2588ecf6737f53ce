"""The one door of asyncua on the publishing side: every name that the server takes from it.

Loaded only by a server that starts, so that asyncua stays optional. Each name comes from the
module that defines it; what asyncua's packages pass on is not declared as theirs.
"""

from __future__ import annotations

from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.copy_node_util import copy_node
from asyncua.common.events import get_event_obj_from_type_node
from asyncua.common.instantiate_util import instantiate
from asyncua.common.node import Node
from asyncua.common.utils import ServiceError
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import USER_TYPES, SimpleRoleRuleset, User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError

__all__ = [
    "USER_TYPES",
    "InternalServer",
    "InternalSession",
    "Node",
    "ObjectIds",
    "Server",
    "ServiceError",
    "SimpleRoleRuleset",
    "StatusCodes",
    "TransportLimits",
    "UaError",
    "User",
    "UserRole",
    "copy_node",
    "get_event_obj_from_type_node",
    "instantiate",
    "ua",
    "uacrypto",
]
