use std::process::{Command, Stdio};

use super::*;

fn shell(script: &str, dir: &Scratch) -> Spec {
    Spec::new("shell", "/bin/sh")
        .args(["-c", script])
        .log(dir.path().join("log"))
}

fn alive(pid: u32) -> bool {
    // A zombie still has a directory in /proc, so its state is read.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

#[tokio::test]
async fn an_early_end_is_reported_with_the_log() {
    let dir = Scratch::new("early-end").unwrap();
    let process = shell("echo no such database; exit 3", &dir).spawn().unwrap();
    let error = process
        .ready(Duration::from_secs(5), async || Err::<(), _>("refused"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no such database") && error.contains("exit status: 3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_late_start_names_the_last_answer() {
    let dir = Scratch::new("late-start").unwrap();
    let process = shell("exec sleep 60", &dir).spawn().unwrap();
    let error = process
        .ready(Duration::from_millis(100), async || Err::<(), _>("connection refused"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn drop_ends_the_whole_group() {
    let dir = Scratch::new("group").unwrap();
    let process = shell("sleep 60 & echo $!; wait", &dir)
        .grace(Duration::from_millis(200))
        .spawn()
        .unwrap();
    let grandchild: u32 = process
        .ready(Duration::from_secs(5), async || process.log().trim().parse())
        .await
        .unwrap();
    assert!(alive(grandchild));
    drop(process);
    for _ in 0..100 {
        if !alive(grandchild) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {grandchild} is still there");
}

#[tokio::test]
async fn stop_kills_what_ignores_sigterm() {
    let dir = Scratch::new("stubborn").unwrap();
    let process = shell("trap '' TERM; echo up; while :; do sleep 0.1; done", &dir)
        .grace(Duration::from_millis(200))
        .spawn()
        .unwrap();
    process
        .ready(Duration::from_secs(5), async || {
            process.log().find("up").ok_or("not yet")
        })
        .await
        .unwrap();
    assert!(!process.stop().await.unwrap().success());
}

#[tokio::test]
async fn a_kill_switch_follows_the_process_armed_last() {
    let dir = Scratch::new("switch").unwrap();
    let switch = KillSwitch::default();
    assert!(!switch.kill());
    let first = shell("exec sleep 60", &dir).spawn().unwrap();
    let second = shell("exec sleep 60", &dir).spawn().unwrap();
    switch.arm(&first);
    switch.arm(&second);
    assert!(switch.kill());
    assert!(first.status().is_none() && second.status().is_some());
    assert!(!switch.kill());
}

#[tokio::test]
async fn nothing_is_left_when_the_starter_is_killed() {
    // The reaper's script alone, with the pipe closed as the kernel does when we are killed.
    let dir = Scratch::new("reaper").unwrap();
    let doomed = dir.path().join("data of a run");
    std::fs::create_dir(&doomed).unwrap();
    let watched = shell("exec sleep 60", &dir).spawn().unwrap();
    let forgotten = shell("exec sleep 60", &dir).spawn().unwrap();
    let mut reaper = Command::new("/bin/sh")
        .args(["-c", include_str!("reaper.sh")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let orders = format!(
        "watch {}\nwatch {}\nforget {}\nremove {}\n",
        watched.pid(),
        forgotten.pid(),
        forgotten.pid(),
        doomed.display()
    );
    std::io::Write::write_all(reaper.stdin.as_mut().unwrap(), orders.as_bytes()).unwrap();
    drop(reaper.stdin.take());
    watched.wait(Duration::from_secs(5)).await.unwrap();
    assert!(reaper.wait().unwrap().success());
    assert!(forgotten.status().is_none());
    assert!(!doomed.exists());
}

#[test]
fn the_tail_is_the_end() {
    assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
    assert_eq!(tail("a", 5), "a");
    assert_eq!(tail("", 5), "");
}

/// A port that an outgoing connection may take is no free port: the server that it is for would not start.
#[test]
fn t133_free_ports_differ_and_are_not_given_to_outgoing_connections() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let outgoing: Vec<u16> = range.split_whitespace().map(|port| port.parse().unwrap()).collect();
    let ports: std::collections::BTreeSet<_> = (0..200).map(|_| free_port().unwrap()).collect();
    assert_eq!(ports.len(), 200);
    if let [first, last] = outgoing[..] {
        assert!(ports.iter().all(|port| !(first..=last).contains(port)), "{ports:?}");
    }
}
