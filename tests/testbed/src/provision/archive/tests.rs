use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::process::Scratch;

/// How the mirror answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Serves,
    /// It takes the connection and says nothing.
    Silent,
    /// A byte every 20 ms.
    Slow,
}

/// A mirror that holds these files, by path. Its URL.
async fn mirror(files: HashMap<String, Vec<u8>>, manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mirror/", listener.local_addr().unwrap());
    let files = Arc::new(files);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let files = Arc::clone(&files);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split_whitespace().nth(1).unwrap_or_default();
                if manner == Manner::Silent {
                    return std::future::pending::<()>().await;
                }
                let body = files.get(path.strip_prefix("/mirror/").unwrap_or_default());
                let head = match body {
                    Some(body) => format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    ),
                    None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
                };
                let _ = stream.write_all(head.as_bytes()).await;
                let piece = if manner == Manner::Slow { 1 } else { usize::MAX };
                for piece in body.map(Vec::as_slice).unwrap_or_default().chunks(piece) {
                    if stream.write_all(piece).await.is_err() {
                        return;
                    }
                    if manner == Manner::Slow {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
    });
    url
}

/// A source whose archive has this digest, impatient enough for a test.
fn source(mirror: String, digest: String) -> Source {
    Source {
        mirror: Some(mirror),
        platform: "linux-amd64".to_owned(),
        digest,
        patience: Patience {
            silence: Duration::from_millis(500),
            grace: Duration::from_secs(1),
            rate: 1024,
        },
    }
}

fn sha512(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA512, bytes).as_ref())
}

/// An archive as envtest publishes it.
async fn archive() -> Vec<u8> {
    let scratch = Scratch::new("archive").unwrap();
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        let file = scratch.path().join("controller-tools/envtest").join(program);
        super::super::write(&file, format!("the program {program}")).unwrap();
    }
    let pack = Spec::new("tar", "tar").args(["-czf", "packed.tar.gz", "controller-tools"]);
    TAR.run(scratch.path(), pack).await.unwrap();
    std::fs::read(scratch.path().join("packed.tar.gz")).unwrap()
}

const ENVTEST_PATH: &str =
    "kubernetes-sigs/controller-tools/releases/download/envtest-v1.36.2/envtest-v1.36.2-linux-amd64.tar.gz";
const MANAGER_PATH: &str = "v1.36.2/bin/linux/amd64/kube-controller-manager";

#[tokio::test]
async fn t280_an_archive_with_the_pinned_digest_is_unpacked_and_one_with_another_is_not() {
    let archive = archive().await;
    let url = mirror(
        HashMap::from([(ENVTEST_PATH.to_owned(), archive.clone())]),
        Manner::Serves,
    )
    .await;
    let dir = Scratch::new("unpacked").unwrap();
    let right = source(url.clone(), sha512(&archive));
    right.unpack_envtest(dir.path()).await.unwrap();
    for program in ["etcd", "kube-apiserver", "kubectl"] {
        let content = std::fs::read_to_string(dir.path().join(program)).unwrap();
        assert_eq!(content, format!("the program {program}"));
    }
    assert!(!dir.path().join("archive.tar.gz").exists());

    let dir = Scratch::new("refused").unwrap();
    let wrong = source(url, sha512(b"another archive"));
    let error = wrong.unpack_envtest(dir.path()).await.unwrap_err().to_string();
    assert!(
        error.contains("SHA-512") && error.contains("nothing of it is used"),
        "{error}"
    );
    assert!(!dir.path().join("etcd").exists(), "nothing was unpacked");
}

#[tokio::test]
async fn t280_the_controller_manager_is_compared_with_the_digest_beside_it() {
    let program = b"the program".to_vec();
    let beside = format!("{MANAGER_PATH}.sha512");
    for (published, right) in [
        (sha512(&program), true),
        (sha512(b"another"), false),
        (String::new(), false),
    ] {
        let files = HashMap::from([
            (MANAGER_PATH.to_owned(), program.clone()),
            (beside.clone(), published.into_bytes()),
        ]);
        let dir = Scratch::new("manager").unwrap();
        let source = source(mirror(files, Manner::Serves).await, String::new());
        assert_eq!(source.fetch_controller_manager(dir.path()).await.is_ok(), right);
    }
    let alone = HashMap::from([(MANAGER_PATH.to_owned(), program)]);
    let dir = Scratch::new("manager").unwrap();
    let source = source(mirror(alone, Manner::Serves).await, String::new());
    let error = source
        .fetch_controller_manager(dir.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("404"), "{error}");
}

#[tokio::test]
async fn t280_a_mirror_that_is_silent_slow_or_away_is_given_up() {
    let archive = archive().await;
    let digest = sha512(&archive);
    let files = HashMap::from([(ENVTEST_PATH.to_owned(), archive)]);
    for (manner, says) in [(Manner::Silent, "timed out"), (Manner::Slow, "too slow")] {
        let dir = Scratch::new("given-up").unwrap();
        let source = source(mirror(files.clone(), manner).await, digest.clone());
        let error = source.unpack_envtest(dir.path()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let dir = Scratch::new("given-up").unwrap();
    // A port that a listener had, and has no more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = source(format!("http://{gone}"), digest)
        .unpack_envtest(dir.path())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn t280_what_the_demo_downloaded_serves_no_test_and_nobody_who_names_another_mirror() {
    let program = b"the program".to_vec();
    let files = HashMap::from([
        (MANAGER_PATH.to_owned(), program.clone()),
        (format!("{MANAGER_PATH}.sha512"), sha512(&program).into_bytes()),
    ]);
    let cache = Scratch::new("cache").unwrap();
    let found = async |is_allowed, mirror: &str| {
        let source = source(mirror.to_owned(), "pinned".to_owned());
        let fetch = Source::fetch_controller_manager;
        entry_in(
            cache.path(),
            is_allowed,
            &source,
            "controller-manager",
            "program",
            fetch,
        )
        .await
    };
    let url = mirror(files, Manner::Serves).await;
    let entry = found(true, &url).await.unwrap();
    assert_eq!(std::fs::read(entry.join("kube-controller-manager")).unwrap(), program);
    assert_eq!(found(true, &url).await, Ok(entry));
    let error = found(false, &url).await.unwrap_err();
    assert!(error.contains("only the demo"), "{error}");
    let other = mirror(HashMap::new(), Manner::Serves).await;
    let error = found(true, &other).await.unwrap_err();
    assert!(error.contains("404"), "{error}");
}
