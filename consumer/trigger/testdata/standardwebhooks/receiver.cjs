// Receives webhooks and verifies them with the npm package standardwebhooks. See receiver.py, which does the same.
const http = require("node:http");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const secrets = process.argv.slice(2);

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    let line;
    try {
      const value = new Webhook(secrets[Number(request.url.slice(1))]).verify(Buffer.concat(chunks), request.headers);
      response.statusCode = 204;
      line = ["accepted", request.headers["webhook-id"], value];
    } catch (e) {
      const refused = e instanceof WebhookVerificationError;
      response.statusCode = refused ? 401 : 500;
      line = [refused ? "refused" : "failed", e.message];
    }
    console.log(JSON.stringify(line));
    response.end();
  });
});
process.stdin.on("end", () => process.exit()).resume();
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
