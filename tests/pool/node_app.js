// Application for Node's http server. The first argument is the port.
const http = require("http");
const zlib = require("zlib");

const responses = {
  "/plain": (_, response) => { response.setHeader("X-A", ["1", "2"]); response.end("plain"); },
  "/nothing": (_, response) => { response.statusCode = 204; response.end(); },
  "/empty": (_, response) => { response.setHeader("Content-Length", 0); response.end(); },
  "/chunked": (_, response) => { response.write("a".repeat(10)); response.write("b".repeat(70000)); response.end("c"); },
  "/big": (_, response) => { response.end("x".repeat(3000000)); },
  "/missing": (_, response) => { response.statusCode = 404; response.end("no"); },
  "/broken": (_, response) => { response.writeHead(503, "Out Of Order", { "Retry-After": 1 }); response.end("no"); },
  "/moved": (_, response) => { response.writeHead(302, { Location: "/plain" }); response.end(); },
  "/gzip": (_, response) => { response.setHeader("Content-Encoding", "gzip"); response.end(zlib.gzipSync("plain".repeat(1000))); },
  "/deflate": (_, response) => { response.setHeader("Content-Encoding", "deflate"); response.end(zlib.deflateSync("plain".repeat(1000))); },
  "/trailers": (_, response) => { response.setHeader("Trailer", "X-Sum"); response.write("plain"); response.addTrailers({ "X-Sum": "1" }); response.end(); },
  "/hints": (_, response) => { response.writeEarlyHints({ link: "</style.css>; rel=preload" }); response.end("plain"); },
  "/closing": (_, response) => { response.setHeader("Connection", "close"); response.end("plain"); },
  "/echo": (request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const query = (request.url.split("?")[1] || "");
      response.end(Buffer.concat([Buffer.from(`${request.method} ${query} ${body.length} `), body]));
    });
  },
};

http.createServer((request, response) => responses[request.url.split("?")[0]](request, response))
  .listen(Number(process.argv[2]), "127.0.0.1");
