// A PLC behind OPC UA: npm node-opcua with a program in front. PKI_FOLDER PORT.
// Users: keenline with the password of the variable PEER_PASSWORD, or nobody.
// What the packages print is not an answer.
console.log = console.error;
const opcua = require("node-opcua");
const readline = require("readline");
const say = (line) => process.stdout.write(line + "\n");
const { Variant, DataType, StatusCodes } = opcua;

const [folder, port] = [process.argv[2], Number(process.argv[3])];
const both = "CurrentRead | CurrentWrite";
const types = {
  trigger: "Boolean", plc_bit: "Boolean", part_id: "String", encoder: "Int32",
  acknowledge: "UInt16", count: "UInt16", heartbeat_in: "Int16",
  ready: "Boolean", busy: "Boolean", result_valid: "Boolean", passed: "Boolean",
  rejected: "Boolean", divert: "Boolean", fault: "Boolean", own_bit: "Boolean",
  fault_code: "UInt16", result_number: "Int16", result_part_id: "String", heartbeat: "Int32",
  narrow: "UInt16", level: "Double", wide: "UInt32",
};
const values = {};
for (const [name, type] of Object.entries(types)) {
  values[name] = type === "Boolean" ? false : type === "String" ? "" : 0;
}
let requests = 0;
let lost = false;

function put(some) { Object.assign(values, some); }
let count = 0;
function step() {
  count = (count + 1) % 60000;
  put({ encoder: count, part_id: "P" + String(count).padStart(8, "0") });
  put({ count });
}
(async () => {
  const manager = new opcua.OPCUACertificateManager({
    automaticallyAcceptUnknownCertificate: true, rootFolder: folder,
  });
  await manager.initialize();
  const server = new opcua.OPCUAServer({
    port, host: "127.0.0.1", hostname: "127.0.0.1", resourcePath: "/PLC",
    serverCertificateManager: manager, nodeset_filename: [opcua.nodesets.standard],
    allowAnonymous: true,
    userManager: {
      isValidUser: (name, word) => name === "keenline" && word === process.env.PEER_PASSWORD,
    },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const line = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Line" });
  for (const [name, type] of Object.entries(types)) {
    const access = name === "plc_bit" ? "CurrentRead" : both;
    own.addVariable({
      componentOf: line, browseName: name, nodeId: `s=Line.${name}`, dataType: type,
      accessLevel: access, userAccessLevel: access, minimumSamplingInterval: 10,
      value: {
        get: () => {
          if (lost) return StatusCodes.BadNotConnected;
          return new Variant({ dataType: DataType[type], value: values[name] });
        },
        set: (variant) => { values[name] = variant.value; return StatusCodes.Good; },
      },
    });
  }
  own.addVariable({
    componentOf: line, browseName: "list", nodeId: "s=Line.list", dataType: "Int32",
    valueRank: 1, arrayDimensions: [3],
    value: new Variant({ dataType: DataType.Int32, arrayType: opcua.VariantArrayType.Array, value: [1, 2, 3] }),
  });
  server.on("request", () => { requests++; });
  await server.start();
  say("UP");
  readline.createInterface({ input: process.stdin }).on("line", (text) => {
    const request = JSON.parse(text);
    if (request.run) setInterval(step, 1);
    if ("lost" in request) lost = request.lost;
    put(request.set || {});
    const answer = {};
    for (const name of request.get || []) answer[name] = name === "requests" ? requests : values[name];
    say(JSON.stringify(answer));
  }).on("close", () => process.exit(0));
})();
