// What stands between the socket and oidc-provider: a ledger of the requests, and faults on demand.

const requests = [];
let faults = [];

export const ledger = () => requests;

// A fault: {method, path, times, kind, ...}. `path` is a prefix. Kinds: "answer" (status, headers, body)
// instead of the provider's answer; "lose-request": the connection ends and nothing is done;
// "lose-answer": it is done, but the connection ends; "delay" (ms): it is done later.
export function setFaults(list) {
  faults = list;
}

function take(request) {
  const fault = faults.find(({ method, path, times }) => times > 0
    && (!method || method === request.method) && request.url.startsWith(path));
  if (fault) fault.times -= 1;
  return fault;
}

// Wraps the provider's request handler.
export function wire(handler) {
  return async (request, response) => {
    const entry = { method: request.method, path: request.url, status: 0 };
    requests.push(entry);
    response.on('finish', () => { entry.status = response.statusCode; });
    const fault = take(request);
    switch (fault?.kind) {
      case 'answer':
        request.resume();
        response.writeHead(fault.status, fault.headers);
        response.end(fault.body);
        return;
      case 'lose-request':
        request.socket.destroy();
        return;
      case 'lose-answer':
        // The provider writes to nobody: it has done its work by the time it begins to answer.
        response.writeHead = () => { request.socket.destroy(); return response; };
        break;
      case 'delay':
        await new Promise((resolve) => { setTimeout(resolve, fault.ms); });
        break;
      default:
    }
    handler(request, response);
  };
}
