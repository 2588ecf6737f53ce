"""The nodes of one vision system made from the OPC 40100-1 node set, and what they show kept true.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from keenline.publish.opc40100_asyncua import (
    Node,
    ObjectIds,
    Server,
    StatusCodes,
    copy_node,
    get_event_obj_from_type_node,
    instantiate,
    ua,
)
from keenline.publish.opc40100_states import (
    AUTOMATIC,
    ERROR,
    READY,
    SYSTEM_STATES,
    Step,
    outer,
    steps,
)

MACHINE_VISION = "http://opcfoundation.org/UA/MachineVision"
_NODE_SET = "Opc.Ua.MachineVision.NodeSet2.xml"

# Numbers of types in the node set.
_VISION_SYSTEM, _RESULT_MANAGEMENT, _RECIPE_MANAGEMENT, _CONFIGURATION_MANAGEMENT = (
    1003, 1007, 1004, 1006,
)  # fmt: skip
_VISION_STATES, _AUTOMATIC_STATES = 1017, 1021
_EVENTS = {
    "StateChanged": 1018,
    "Error": 1019,
    "ErrorResolved": 1020,
    "Ready": 1023,
    "JobStarted": 1013,
    "ResultReady": 1024,
    "RecipePrepared": 1022,
}
_ID_BASE = "BinaryIdBaseDataType"
_ID_TYPES = ("ConfigurationIdDataType", "RecipeIdExternalDataType", "RecipeIdInternalDataType")
# Of fields whose type asyncua does not find by itself. A field of a wrong type is worse than none:
# it ends the subscription of the client that asked for it.
_FIELD_TYPES = {
    "CreationTime": ua.VariantType.DateTime,
    "IsPartial": ua.VariantType.Boolean,
    "IsSimulated": ua.VariantType.Boolean,
    "ResultState": ua.VariantType.Int32,
    "ResultContent": ua.VariantType.Variant,
    "ExternalRecipeId": ua.VariantType.ExtensionObject,
    "InternalRecipeId": ua.VariantType.ExtensionObject,
    "InternalId": ua.VariantType.ExtensionObject,
    "ExternalConfigurationId": ua.VariantType.ExtensionObject,
    "InternalConfigurationId": ua.VariantType.ExtensionObject,
    "Transition/Id": ua.VariantType.NodeId,
    "FromState/Id": ua.VariantType.NodeId,
    "ToState/Id": ua.VariantType.NodeId,
}
_SEVERITY = {"Error": 700, "ErrorResolved": 300, "ResultReady": 200}
_ORDINARY = 100


class VisionModel:
    """One VisionSystem in the address space of a server that is not yet started."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name
        self.state = ""
        """The state that is shown, one of STATES."""
        self._events: dict[str, Any] = {}
        self._ids: dict[str, ua.NodeId] = {}

    async def build(self) -> None:
        server = self._server
        text = files("keenline.publish").joinpath("nodesets", _NODE_SET).read_text("utf-8")
        await server.import_xml(xmlstring=_with_definitions(text))
        self.index = await server.get_namespace_index(MACHINE_VISION)
        self._own = await server.register_namespace(server.get_application_uri())
        self.system = await self._make(_VISION_SYSTEM, server.nodes.objects, self._name)
        self.machine = await self.child(self.system, "VisionStateMachine")
        self.automatic = await self._make(
            _AUTOMATIC_STATES, self.machine, "AutomaticModeStateMachine"
        )
        self.results = await self._make(_RESULT_MANAGEMENT, self.system, "ResultManagement")
        self.recipes = await self._make(_RECIPE_MANAGEMENT, self.system, "RecipeManagement")
        self.configurations = await self._make(
            _CONFIGURATION_MANAGEMENT, self.system, "ConfigurationManagement"
        )
        await self._add_optional(self.machine, _VISION_STATES, "SelectModeAutomatic")
        await self._add_optional(self.results, _RESULT_MANAGEMENT, "ReleaseResultHandle")
        await self._add_optional(self.system, _VISION_SYSTEM, "SystemState")
        last = server.get_node(ua.NodeId(ua.Int32(ObjectIds.FiniteStateMachineType_LastTransition)))
        for machine in (self.machine, self.automatic):
            await copy_node(machine, last, self._named_id(machine, "LastTransition"))
        await self._learn_ids()
        await self._prepare_events()

    async def child(self, parent: Node, *names: str) -> Node:
        """The node below `parent` along browse names, each of either namespace."""
        for name in names:
            children = await parent.get_children_descriptions()
            (found,) = [each.NodeId for each in children if each.BrowseName.Name == name]
            parent = self._server.get_node(found)
        return parent

    async def show(self, state: str, method: str = "") -> None:
        """Show `state`, reached by the method of that name or by the station itself."""
        if not self.state:
            await self._place(state)
            self.state = state
        for step in steps(self.state, state, method):
            await self._take(step)
            self.state = step.new

    async def fire(self, kind: str, fields: Mapping[str, Any], message: str) -> None:
        """Send an event to everyone who listens to the server, the system or its state machine."""
        event = copy.copy(self._events[kind])
        now = datetime.now(UTC)
        event.EventId = uuid.uuid4().bytes
        event.Time = event.ReceiveTime = now
        event.Message = ua.LocalizedText(message, "en")
        event.Severity = _SEVERITY.get(kind, _ORDINARY)
        for name, value in fields.items():
            setattr(event, name, value)
        for node in self._heard_at:
            event.emitting_node = node
            await self._server.iserver.subscription_service.trigger_event(event)

    def _node_id(self, number: int) -> ua.NodeId:
        return ua.NodeId(ua.Int32(number), ua.Int16(self.index))

    def _named_id(self, parent: Node, name: str) -> ua.NodeId:
        """The same after every start, so that a client may keep it."""
        above = parent.nodeid.Identifier
        path = f"{above}.{name}" if isinstance(above, str) else name
        return ua.NodeId(ua.String(path), ua.Int16(self._own))

    async def _make(self, kind: int, parent: Node, name: str) -> Node:
        index = self._own if parent == self._server.nodes.objects else self.index
        made = await instantiate(
            parent,
            self._server.get_node(self._node_id(kind)),
            nodeid=self._named_id(parent, name),
            bname=ua.QualifiedName(name, ua.UInt16(index)),
            dname=ua.LocalizedText(name),
            instantiate_optional=False,
        )
        node: Node = made[0]
        return node

    async def _add_optional(self, parent: Node, kind: int, name: str) -> None:
        declared = await self.child(self._server.get_node(self._node_id(kind)), name)
        await copy_node(parent, declared, self._named_id(parent, name))

    async def _learn_ids(self) -> None:
        """State and transition objects of the two types, by name."""
        for kind in (_VISION_STATES, _AUTOMATIC_STATES):
            node = self._server.get_node(self._node_id(kind))
            for each in await node.get_children_descriptions():
                self._ids[each.BrowseName.Name] = each.NodeId

    async def _prepare_events(self) -> None:
        server_node = ua.NodeId(ua.Int32(ObjectIds.Server))
        self._heard_at = [
            server_node, self.system.nodeid, self.machine.nodeid, self.automatic.nodeid,
        ]  # fmt: skip
        for nodeid in self._heard_at:
            node = self._server.get_node(nodeid)
            await node.set_event_notifier([ua.EventNotifier.SubscribeToEvents])
        for kind, number in _EVENTS.items():
            node = self._server.get_node(self._node_id(number))
            event: Any = await get_event_obj_from_type_node(node)
            event.data_types |= {
                name: value for name, value in _FIELD_TYPES.items() if name in event.data_types
            }
            for name in event.data_types:
                if name not in ("EventType", "LocalTime"):
                    setattr(event, name, None)
            event.SourceNode, event.SourceName = self.system.nodeid, self._name
            await self.system.add_reference(node, ObjectIds.GeneratesEvent, bidirectional=False)
            self._events[kind] = event

    async def _place(self, state: str) -> None:
        """Current states without a transition: the server has only just come up."""
        await self._write_state(self.machine, outer(state))
        await self._write_state(self.automatic, state if state in AUTOMATIC else None)
        await self._write_system_state(state)
        for machine in (self.machine, self.automatic):
            last = await self.child(machine, "LastTransition")
            await last.write_value(ua.LocalizedText(""))
            await (await self.child(last, "Id")).write_value(ua.NodeId())

    async def _take(self, step: Step) -> None:
        machine = self.automatic if step.is_automatic else self.machine
        if not step.is_automatic:
            await self._write_state(self.machine, outer(step.new))
        if step.is_automatic or AUTOMATIC[0] in (step.new,) or step.old in AUTOMATIC:
            await self._write_state(self.automatic, step.new if step.new in AUTOMATIC else None)
        await self._write_system_state(step.new)
        await self._write_transition(machine, step.transition)
        old, new = (step.old, step.new) if step.is_automatic else (outer(step.old), outer(step.new))
        fields = {
            "Transition": ua.LocalizedText(step.transition),
            "Transition/Id": self._ids[step.transition],
            "FromState": ua.LocalizedText(old),
            "FromState/Id": self._ids[old],
            "ToState": ua.LocalizedText(new),
            "ToState/Id": self._ids[new],
        }
        words = f"{old} to {new}"
        await self.fire("StateChanged", fields, words)
        if step.new == ERROR:
            await self.fire("Error", fields, words)
        if step.old == ERROR:
            await self.fire("ErrorResolved", fields, words)
        if step.new == READY:
            await self.fire("Ready", {}, words)

    async def _write_state(self, machine: Node, state: str | None) -> None:
        current = await self.child(machine, "CurrentState")
        identity = await self.child(current, "Id")
        if state is None:  # OPC UA part 16, 4.4.2: the outer state machine is elsewhere
            for node in (current, identity):
                inactive = ua.StatusCode(ua.UInt32(StatusCodes.BadStateNotActive))
                await node.write_value(ua.DataValue(StatusCode=inactive))
            return
        await current.write_value(ua.LocalizedText(state, "en"))
        await identity.write_value(self._ids[state])

    async def _write_transition(self, machine: Node, transition: str) -> None:
        last = await self.child(machine, "LastTransition")
        await last.write_value(ua.LocalizedText(transition, "en"))
        await (await self.child(last, "Id")).write_value(self._ids[transition])

    async def _write_system_state(self, state: str) -> None:
        types: Any = ua
        value = types.SystemStateDescriptionDataType(State=SYSTEM_STATES[state])
        node = await self.child(self.system, "SystemState")
        await node.write_value(ua.Variant(value, ua.VariantType.ExtensionObject))


def _with_definitions(text: str) -> str:
    """The node set with the fields of three types written out, which it leaves to their base type:
    asyncua makes no class, and shows no definition, of a type without fields of its own."""
    start = text.index("<Definition", text.index(f'BrowseName="1:{_ID_BASE}"'))
    end = text.index("</Definition>", start) + len("</Definition>")
    definition = text[start:end]
    for name in _ID_TYPES:
        at = text.index("</UADataType>", text.index(f'<UADataType NodeId="{_node_of(text, name)}"'))
        text = text[:at] + definition.replace(_ID_BASE, name) + text[at:]
    return text


def _node_of(text: str, name: str) -> str:
    """The node id that the node set's alias of `name` stands for."""
    start = text.index(f'<Alias Alias="{name}">') + len(f'<Alias Alias="{name}">')
    return text[start : text.index("<", start)]
