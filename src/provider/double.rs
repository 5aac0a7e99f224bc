//! A server for unit tests that answers canned text, and may break off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::api::TokenReuse;
use crate::domain::target::{AuthScheme, ClientGrant, ClientProof, Credentials, Deadlines};

use super::egress::EgressPolicy;
use super::transport::Transport;

/// The server; what it has no answer for ends the connection.
pub(super) struct Double {
    pub origin: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Double {
    /// Answers each request, given by head and body, with this text. An empty one ends the connection.
    pub(super) async fn new(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), Arc::clone(&log)));
            }
        });
        Self { origin, seen }
    }

    /// Always the same answer: a status line's rest, headers and a body.
    pub(super) async fn saying(status: u16, headers: &str, body: &str) -> Self {
        let text = reply(status, headers, body);
        Self::new(move |_| text.clone()).await
    }

    /// Every request so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Method and path of every request so far.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |text: &String| text.split(" HTTP/").next().unwrap().to_owned();
        self.seen.lock().unwrap().iter().map(line).collect()
    }
}

/// An answer.
pub(super) fn reply(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn serve(stream: TcpStream, answer: impl Fn(&str) -> String, log: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if stream.read_line(&mut text).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        text.push_str(&String::from_utf8(body).unwrap());
        let reply = answer(&text);
        log.lock().unwrap().push(text);
        if reply.is_empty() || stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A transport that may talk to this machine.
pub(super) fn transport() -> Transport {
    // The program does this first of all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Transport::new(EgressPolicy {
        allow_insecure_origins: true,
        ..EgressPolicy::default()
    })
}

/// Deadlines that are long on a busy machine.
pub(super) const PATIENT: Deadlines = Deadlines {
    connect: Duration::from_secs(10),
    request: Duration::from_secs(20),
};

/// A bearer token.
pub(super) fn bearer(token: &str) -> Credentials {
    Credentials {
        scheme: AuthScheme::Bearer(token.into()),
        ..Credentials::default()
    }
}

/// A token of the client credentials grant, with nothing special asked for.
pub(super) fn grant(client_id: &str, proof: ClientProof) -> AuthScheme {
    AuthScheme::ClientCredentials(Box::new(ClientGrant {
        client_id: client_id.into(),
        proof,
        scopes: Vec::new(),
        audience: None,
        resource: None,
        reuse: TokenReuse::UntilExpiry,
    }))
}
