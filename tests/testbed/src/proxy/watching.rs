//! Watches: events held back, late, or twice.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;
use tokio::time::Instant;

use super::body::{Body, Writer, next, pieces};
use super::rules::Fits;
use super::{Asked, Shared, lock};

/// Lines that may wait to be sent late.
const QUEUE: usize = 4096;

/// Which watches say nothing at the moment.
pub(super) struct Holds {
    fits: Mutex<Vec<(u64, Fits)>>,
    changes: watch::Sender<u64>,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            fits: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Holds {
    fn holds(&self, asked: &Asked) -> bool {
        lock(&self.fits).iter().any(|(_, fits)| fits(asked))
    }

    async fn released(&self, asked: &Asked) {
        let mut changes = self.changes.subscribe();
        while self.holds(asked) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Withholds events until it is dropped; then they come, in order.
pub struct Hold {
    shared: Arc<Shared>,
    id: u64,
}

impl Hold {
    pub(super) fn begin(shared: Arc<Shared>, fits: Fits) -> Self {
        let mut id = 0;
        shared.holds.changes.send_modify(|changes| {
            *changes += 1;
            id = *changes;
        });
        lock(&shared.holds.fits).push((id, fits));
        Self { shared, id }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.shared.holds.fits).retain(|(id, _)| *id != self.id);
        self.shared.holds.changes.send_modify(|changes| *changes += 1);
    }
}

/// What happens to each event.
#[derive(Clone, Copy, Default)]
pub(super) struct Habit {
    pub delay: Duration,
    pub twice: bool,
}

/// Passes the events of a watch on.
pub(super) fn pass(mut body: Body, asked: Asked, shared: Arc<Shared>, habit: Habit) -> Body {
    let (writer, passed) = pieces();
    tokio::spawn(async move {
        let (queue, mut waiting) = tokio::sync::mpsc::channel::<(Instant, io::Result<Bytes>)>(QUEUE);
        let read = async move {
            let mut rest = BytesMut::new();
            while let Some(piece) = next(&mut body).await {
                let lines = match piece {
                    Ok(data) => {
                        rest.extend_from_slice(&data);
                        lines(&mut rest).into_iter().map(Ok).collect()
                    }
                    Err(error) => vec![Err(error)],
                };
                for line in lines {
                    if queue.send((Instant::now() + habit.delay, line)).await.is_err() {
                        return;
                    }
                }
            }
        };
        let write = async {
            while let Some((due, line)) = waiting.recv().await {
                tokio::time::sleep_until(due).await;
                shared.holds.released(&asked).await;
                let copy = line.as_ref().ok().filter(|_| habit.twice).cloned();
                if writer.send(line).await.is_err() || !send(&writer, copy).await {
                    return;
                }
            }
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(read, write) } => {}
            // The operator has left, or every connection was cut.
            () = writer.closed() => {}
        }
    });
    passed
}

async fn send(writer: &Writer, line: Option<Bytes>) -> bool {
    match line {
        Some(line) => writer.send(Ok(line)).await.is_ok(),
        None => true,
    }
}

/// Takes the whole lines out of what was read.
fn lines(rest: &mut BytesMut) -> Vec<Bytes> {
    let mut lines = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        lines.push(rest.split_to(end + 1).freeze());
    }
    lines
}
