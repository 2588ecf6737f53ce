// What one client was asked to do with an OPC 40100-1 server, turned into lines of JSON.
// Usage: node opcua_client.js '{"endpoint": ..., "security": ..., "user": ..., "password": ...,
//   "certificate": ..., "key": ..., "uri": ..., "folder": ..., "do": ["connect" | "job" | ...]}'
// With "attempts": [{...}, ...] it does the same once for each, with these facts changed.
const {
  OPCUAClient, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, UserTokenType,
  AttributeIds, Variant, DataType, constructEventFilter, TimestampsToReturn, coerceNodeId,
} = require("node-opcua");

let wanted = JSON.parse(process.argv[2]);
const say = (word, facts) => console.log(JSON.stringify({ word, ...facts }));
const MODES = {
  none: [MessageSecurityMode.None, SecurityPolicy.None],
  sign: [MessageSecurityMode.Sign, SecurityPolicy.Basic256Sha256],
  "sign-and-encrypt": [MessageSecurityMode.SignAndEncrypt, SecurityPolicy.Basic256Sha256],
};
const FIELDS = [
  "EventType", "SourceName", "Message", "Severity", "Time", "ResultId", "IsPartial", "IsSimulated",
  "ResultState", "MeasId", "PartId", "ExternalRecipeId", "InternalRecipeId", "ProductId",
  "InternalConfigurationId", "ExternalConfigurationId", "JobId", "CreationTime", "ProcessingTimes",
  "ResultContent",
];

function plain(value) {
  if (value instanceof Variant) return plain(value.value);
  if (value === null || value === undefined) return null;
  if (Buffer.isBuffer(value)) return value.toString("hex");
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object") {
    if (value.namespace !== undefined && value.identifierType !== undefined) return value.toString();
    const facts = {};
    for (const name of Object.keys(value)) {
      if (typeof value[name] !== "function" && name !== "schema") facts[name] = plain(value[name]);
    }
    return facts;
  }
  return typeof value === "number" && Number.isNaN(value) ? "NaN" : value;
}

async function connect() {
  const [securityMode, securityPolicy] = MODES[wanted.security];
  const manager = new OPCUACertificateManager({
    rootFolder: wanted.folder, automaticallyAcceptUnknownCertificate: true,
  });
  await manager.initialize();
  const client = OPCUAClient.create({
    securityMode, securityPolicy, endpointMustExist: false,
    applicationUri: wanted.uri, clientName: "keenline-test",
    certificateFile: wanted.certificate, privateKeyFile: wanted.key,
    clientCertificateManager: manager,
    connectionStrategy: { maxRetry: 0, initialDelay: 50 }, transportTimeout: 10000,
  });
  await client.connect(wanted.endpoint);
  try {
    const session = await client.createSession(wanted.user
      ? { type: UserTokenType.UserName, userName: wanted.user, password: wanted.password }
      : { type: UserTokenType.Anonymous });
    return { client, session, manager };
  } catch (problem) {
    await client.disconnect();
    await manager.dispose();
    throw problem;
  }
}

async function leave({ client, session, manager }) {
  await session.close();
  await client.disconnect();
  await manager.dispose();
}

async function index(session) {
  const answer = await session.read({ nodeId: "i=2255", attributeId: AttributeIds.Value });
  return answer.value.value.indexOf("http://opcfoundation.org/UA/MachineVision");
}

async function structure(session, number, fields) {
  const ns = await index(session);
  return session.constructExtensionObject(coerceNodeId(`ns=${ns};i=${number}`), fields);
}

const extension = (value) => new Variant({ dataType: DataType.ExtensionObject, value });

async function call(session, objectId, method, inputArguments) {
  const began = process.hrtime.bigint();
  const answer = await session.call({ objectId, methodId: `${objectId}.${method}`, inputArguments });
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  return { status: answer.statusCode.name, outputs: plain(answer.outputArguments || []), ms };
}

const SYSTEM = "ns=1;s=Keenline";
const AUTOMATIC = `${SYSTEM}.VisionStateMachine.AutomaticModeStateMachine`;
const RESULTS = `${SYSTEM}.ResultManagement`;
const RECIPES = `${SYSTEM}.RecipeManagement`;

async function startJob(session, meas, part) {
  return call(session, AUTOMATIC, "StartSingleJob", [
    extension(await structure(session, 3015, { id: meas })),
    extension(await structure(session, 3004, { id: part })),
    extension(await structure(session, 3002, { id: "" })),
    extension(await structure(session, 3003, { id: "" })),
    new Variant({ dataType: DataType.Variant, arrayType: 1, value: [] }),
  ]);
}

async function resultById(session, id) {
  return call(session, RESULTS, "GetResultById", [
    extension(await structure(session, 3021, { id })),
    new Variant({ dataType: DataType.Int32, value: 2000 }),
  ]);
}

async function listen(session, where, heard) {
  const ns = await index(session);
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 20, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 100, publishingEnabled: true, priority: 1,
  });
  const paths = FIELDS.map((name) => (FIELDS.indexOf(name) < 5 ? name : `${ns}:${name}`));
  const item = await subscription.monitor(
    { nodeId: where, attributeId: AttributeIds.EventNotifier },
    { queueSize: 1000, discardOldest: true, filter: constructEventFilter(paths) },
    TimestampsToReturn.Both,
  );
  item.on("changed", (values) => {
    const event = { at: Date.now() };
    FIELDS.forEach((name, place) => { event[name] = plain(values[place]); });
    heard(event, ns);
  });
  return subscription;
}

async function until(ready, ms = 8000) {
  const end = Date.now() + ms;
  while (!ready() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  if (!ready()) throw new Error("nothing came in time");
}

const ACTIONS = {
  async connect({ session }) {
    const state = await session.read({
      nodeId: `${SYSTEM}.VisionStateMachine.CurrentState`, attributeId: AttributeIds.Value,
    });
    say("connected", { state: state.value.value.text });
  },
  async job({ session }) {
    const events = [];
    const subscription = await listen(session, wanted.listen || "i=2253", (event, ns) => {
      if (event.EventType === `ns=${ns};i=1024`) events.push(event);
    });
    const started = await startJob(session, "meas-7", wanted.part || "part-7");
    say("started", started);
    if (started.status === "Good") {
      await until(() => events.length > 0);
      say("event", { event: events[0] });
      say("result", await resultById(session, events[0].ResultId.id));
    }
    await subscription.terminate();
  },
  async unknown({ session }) {
    say("result", await resultById(session, "no-such-result"));
  },
  async recipes({ session }) {
    say("recipes", await call(session, RECIPES, "GetRecipeListFiltered", [
      extension(await structure(session, 3002, { id: "" })),
      extension(await structure(session, 3003, { id: "" })),
      new Variant({ dataType: DataType.Int32, value: 2 }),
      new Variant({ dataType: DataType.UInt32, value: 0 }),
      new Variant({ dataType: DataType.UInt32, value: 0 }),
      new Variant({ dataType: DataType.Int32, value: 1000 }),
    ]));
    const value = await session.read({
      nodeId: `${SYSTEM}.ConfigurationManagement.ActiveConfiguration`,
      attributeId: AttributeIds.Value,
    });
    say("configuration", { status: value.statusCode.name, value: plain(value.value) });
  },
  async write({ session }) {
    try {
      const statuses = await session.write([{
        nodeId: `${SYSTEM}.ConfigurationManagement.ActiveConfiguration`,
        attributeId: AttributeIds.Value, value: { value: { dataType: DataType.Null } },
      }]);
      say("written", { status: statuses[0].name });
    } catch (problem) {
      say("written", { status: String(problem.message) });
    }
  },
  // Two sessions of two clients at once: both hear of the job that the first starts.
  async pair(first) {
    const second = await connect();
    const heard = [[], []];
    const subscriptions = [];
    for (const [place, { session }] of [first, second].entries()) {
      subscriptions.push(await listen(session, SYSTEM, (event, ns) => {
        if (event.EventType === `ns=${ns};i=1024`) heard[place].push(event);
      }));
    }
    say("started", await startJob(first.session, "pair", "part-pair"));
    await until(() => heard.every((events) => events.length > 0));
    say("heard", { ids: heard.map((events) => events[0].ResultId.id) });
    for (const subscription of subscriptions) await subscription.terminate();
    await leave(second);
  },
  // One line per ResultReady event until so many were heard.
  async many({ session }) {
    let count = 0;
    const subscription = await listen(session, "i=2253", (event, ns) => {
      if (event.EventType === `ns=${ns};i=1024`) {
        count += 1;
        say("heard", { id: event.ResultId.id, at: event.at, created: event.CreationTime });
      }
    });
    say("listening", {});
    await until(() => count >= wanted.count, 20000);
    await subscription.terminate();
  },
};

async function once() {
  try {
    const connection = await connect();
    for (const action of wanted.do) await ACTIONS[action](connection);
    await leave(connection);
    say("done", {});
  } catch (problem) {
    say("failed", { why: String(problem.message || problem) });
  }
}

(async () => {
  const common = wanted;
  for (const attempt of common.attempts || [{}]) {
    wanted = { ...common, ...attempt };
    await once();
  }
})();
