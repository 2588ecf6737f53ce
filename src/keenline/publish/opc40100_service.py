"""Settings turned into a running asyncua server with one vision system in it.

Loaded only by a server that starts, so that asyncua stays optional.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from keenline.errors import Code, PublishError
from keenline.publish import opc40100_structures as structures
from keenline.publish.opc40100_access import GuardedServer, Users
from keenline.publish.opc40100_asyncua import (
    USER_TYPES,
    ObjectIds,
    Server,
    SimpleRoleRuleset,
    TransportLimits,
    UaError,
    UserRole,
    ua,
)
from keenline.publish.opc40100_calls import guarded
from keenline.publish.opc40100_certificates import Identity, TrustList, identity_in
from keenline.publish.opc40100_commands import VisionCommands
from keenline.publish.opc40100_control import VisionControl
from keenline.publish.opc40100_model import VisionModel
from keenline.publish.opc40100_queries import VisionQueries
from keenline.publish.opc40100_results import Jobs, RecentResults, as_vision_result
from keenline.publish.opc40100_settings import VisionServerSettings
from keenline.types import Result, Trigger
from keenline.version import VERSION

_POLICIES = {
    "sign-and-encrypt": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "sign": ua.SecurityPolicyType.Basic256Sha256_Sign,
    "none": ua.SecurityPolicyType.NoSecurity,
}
# Nothing that a client sends us is large: the largest call has a dozen short texts.
_LARGEST_MESSAGE, _CHUNK = 1 << 20, 65535
_LONGEST_SESSION_MS = 600_000
# A client that listens but does not fetch costs at most this many events, some 5 kB each.
_LONGEST_QUEUE, _SUBSCRIPTIONS_EACH = 1000, 5
_FORBIDDEN = frozenset(
    ua.NodeId(ua.Int32(number))
    for number in (
        ObjectIds.WriteRequest_Encoding_DefaultBinary,
        ObjectIds.HistoryReadRequest_Encoding_DefaultBinary,
    )
)


class VisionService:
    """The server while it runs: `async with VisionService(...)`, on one event loop."""

    def __init__(
        self,
        settings: VisionServerSettings,
        control: VisionControl,
        recent: RecentResults,
        jobs: Jobs,
        lookup: Callable[[str], Result | None],
    ) -> None:
        """Reads passwords, certificates and the trust list; raises CredentialError, OutputError."""
        self._control, self._recent, self._jobs = control, recent, jobs
        folder = Path(settings.folder)
        self._identity = _identity(settings, folder)
        users = Users(
            {user.name: user.password.read() for user in settings.users},
            frozenset(user.name for user in settings.users if user.commands),
        )
        self._guard = GuardedServer(
            users,
            TrustList(folder),
            allow_open="none" in settings.security,
            allow_anonymous=settings.anonymous,
        )
        self._guard.max_connections = settings.max_connections
        self._guard.max_session_timeout_ms = _LONGEST_SESSION_MS
        self._guard.max_subscriptions = _SUBSCRIPTIONS_EACH * settings.max_connections
        self._guard.max_monitored_item_queue_size = _LONGEST_QUEUE
        self._guard.max_unacked_messages_per_subscription = _LONGEST_QUEUE
        self._server = Server(iserver=self._guard)
        self._server.set_endpoint(settings.endpoint)
        self._server.set_server_name(settings.name)
        self._server.set_security_policy(
            [_POLICIES[word] for word in settings.security], permission_ruleset=_ReadAndCall()
        )
        self._server.limits = TransportLimits(
            _CHUNK, _CHUNK, _LARGEST_MESSAGE // _CHUNK + 1, _LARGEST_MESSAGE
        )
        self._model = VisionModel(self._server, settings.name)
        self._commands = VisionCommands(self._model, control, jobs)
        self._queries = VisionQueries(self._model, control, recent, jobs, lookup)

    @property
    def refused(self) -> int:
        return self._guard.refused

    async def __aenter__(self) -> Self:
        try:
            await self._come_up(self._server)
        except UaError as error:
            raise PublishError(
                Code.OPCUA_SERVER,
                "The OPC UA server cannot come up",
                got=str(error),
                next="check the certificate and the settings of [opcua]",
            ) from error
        return self

    async def _come_up(self, server: Server) -> None:
        await server.init()
        await server.set_application_uri(self._identity.application_uri)
        await server.set_build_info(
            "urn:keenline", "Keenline", "Keenline", VERSION, "", datetime.now(UTC)
        )
        await server.load_certificate(self._identity.certificate)
        await server.load_private_key(self._identity.key)
        await self._model.build()
        for methods in (self._commands.methods(), self._queries.methods()):
            for parent, name, answer, inputs in methods:
                node = await self._model.child(parent, name)
                server.link_method(node, guarded(answer, inputs))
        await self._model.show(self._control.state())
        await self._show_configuration()
        await server.start()

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    async def follow(self) -> None:
        """Show the state in which the station is now."""
        async with self._commands.busy:
            await self._commands.follow()

    async def announce_result(self, result: Result) -> None:
        """A ResultReady event, unless this result was announced before."""
        async with self._commands.busy:
            fields = as_vision_result(result, self._jobs)
            if self._recent.add(fields):
                words = f"{fields.part_id}: {fields.verdict}"
                await self._model.fire("ResultReady", structures.event_fields(fields), words)

    async def announce_start(self, trigger: Trigger) -> None:
        """A JobStarted event for a part that the station took on."""
        async with self._commands.busy:
            job, _ = self._jobs.of(trigger.number, trigger.time)
            await self._model.fire("JobStarted", {"JobId": structures.job_id(job)}, trigger.part_id)

    async def _show_configuration(self) -> None:
        node = await self._model.child(self._model.configurations, "ActiveConfiguration")
        value = structures.configuration(self._control.configuration())
        await node.write_value(structures.structure(value))


class _ReadAndCall(SimpleRoleRuleset):
    """Clients look, listen and call; nobody writes a value or changes the nodes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        allowed = {ua.NodeId(ua.Int32(number)) for number in USER_TYPES} - _FORBIDDEN
        self._permission_dict = {
            UserRole.Admin: allowed,
            UserRole.User: allowed,
            UserRole.Anonymous: set(),
        }


def _identity(settings: VisionServerSettings, folder: Path) -> Identity:
    if settings.certificate is not None and settings.private_key is not None:
        return Identity(Path(settings.certificate), Path(settings.private_key))
    return identity_in(folder, settings.name, settings.host)
