// An issuer that is not ours: npm's oidc-provider, with real discovery, keys, client credentials and resource
// indicators (RFC 8707). `POST /_control/keys?alg=ES256` makes a new signing key while it runs and publishes the earlier
// ones still; `&withdraw=1` publishes the new one only.
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

const [secret] = process.argv.slice(2);
const published = [];
let issuer;
let answer;

async function newKey(alg) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
  const jwk = await exportJWK(privateKey);
  const kid = createHash("sha256").update(jwk.x ?? jwk.n).digest("hex").slice(0, 16);
  return { ...jwk, alg, use: "sig", kid };
}

async function rotate(alg, withdraw) {
  if (withdraw) published.length = 0;
  published.unshift(await newKey(alg));
  const provider = new Provider(issuer, {
    jwks: { keys: [...published] },
    clients: [
      {
        client_id: "an-application",
        client_secret: secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: alg,
      },
    ],
    extraTokenClaims: () => ({ tenant: "nordwind" }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: "orders:read orders:write",
          audience: resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 300,
          jwt: { sign: { alg } },
        }),
      },
    },
  });
  answer = provider.callback();
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  if (request.method === "POST" && url.pathname === "/_control/keys") {
    await rotate(url.searchParams.get("alg"), url.searchParams.has("withdraw"));
    response.end();
    return;
  }
  answer(request, response);
});
process.on("SIGTERM", () => process.exit(0));
server.listen(0, "127.0.0.1", async () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  await rotate("RS256", false);
  console.log(JSON.stringify({ ready: true, url: issuer }));
});
