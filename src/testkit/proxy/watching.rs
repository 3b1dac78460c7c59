//! A watch's answer on its way back: line by line, disturbed as it was told.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::fault::WatchFault;
use super::{Answer, Broken};

/// Waits while a new watch would not even be answered.
pub(super) async fn until_not_frozen(mut fault: watch::Receiver<WatchFault>) {
    // The sender lives as long as the proxy.
    let _thawed = fault
        .wait_for(|fault| *fault != WatchFault::Frozen)
        .await
        .is_ok();
}

/// The first half of an answer; then the connection ends.
pub(super) fn torn(body: &Bytes) -> Answer {
    let half = body.slice(..body.len() / 2);
    let frames = [Ok(Frame::data(half)), Err(Broken::OnPurpose)];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// The answer to a watch, with the present and any later fault on it.
pub(super) fn disturbed(body: Body, fault: watch::Sender<WatchFault>) -> Answer {
    let (to, from) = mpsc::channel(1);
    tokio::spawn(pass(Lines::of(body), fault, to));
    let frames = stream::unfold(from, |mut from| async move {
        from.recv().await.map(|frame| (frame, from))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Where a watch's answer goes.
type Back = mpsc::Sender<Result<Frame<Bytes>, Broken>>;

async fn pass(mut lines: Lines, fault: watch::Sender<WatchFault>, back: Back) {
    let mut told = fault.subscribe();
    loop {
        let now = *told.borrow_and_update();
        match now {
            WatchFault::Frozen => {
                if told.changed().await.is_err() {
                    return;
                }
                continue;
            }
            WatchFault::Cut if strikes(&fault, now) => {
                let _gone = back.send(Err(Broken::OnPurpose)).await;
                return;
            }
            WatchFault::Gone if strikes(&fault, now) => {
                let _gone = back.send(Ok(Frame::data(expired()))).await;
                return;
            }
            WatchFault::Cut
            | WatchFault::Gone
            | WatchFault::None
            | WatchFault::Late(_)
            | WatchFault::Doubled
            | WatchFault::Torn => {}
        }
        tokio::select! {
            _changed = told.changed() => {}
            () = back.closed() => return,
            line = lines.peek() => match line {
                Ok(Some(line)) if *told.borrow() == now => {
                    lines.take();
                    if !pass_line(line, now, &fault, &back).await {
                        return;
                    }
                }
                // Told otherwise while the line came: it is looked at again.
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    let _gone = back.send(Err(error.into())).await;
                    return;
                }
            }
        }
    }
}

/// Passes one event; false when the watch is over.
async fn pass_line(
    line: Bytes,
    now: WatchFault,
    fault: &watch::Sender<WatchFault>,
    back: &Back,
) -> bool {
    let mut frames = vec![Ok(Frame::data(line.clone()))];
    match now {
        WatchFault::Late(time) => tokio::time::sleep(time).await,
        WatchFault::Doubled => frames.push(Ok(Frame::data(line))),
        WatchFault::Torn if strikes(fault, now) => {
            let half = line.slice(..line.len() / 2);
            frames = vec![Ok(Frame::data(half)), Err(Broken::OnPurpose)];
        }
        WatchFault::None
        | WatchFault::Frozen
        | WatchFault::Cut
        | WatchFault::Torn
        | WatchFault::Gone => {}
    }
    for frame in frames {
        let last = frame.is_err();
        if back.send(frame).await.is_err() || last {
            return false;
        }
    }
    true
}

/// A fault that strikes once strikes only the first watch that asks.
fn strikes(fault: &watch::Sender<WatchFault>, now: WatchFault) -> bool {
    fault.send_if_modified(|known| {
        let still = *known == now;
        if still {
            *known = WatchFault::None;
        }
        still
    })
}

fn expired() -> Bytes {
    let event = json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {},
        "message": "too old resource version", "reason": "Expired", "code": 410,
    }});
    Bytes::from(format!("{event}\n"))
}

/// The lines of an answer, each with its line break.
struct Lines {
    body: BodyStream<Body>,
    read: BytesMut,
    next: Option<Bytes>,
}

impl Lines {
    fn of(body: Body) -> Self {
        Self {
            body: BodyStream::new(body),
            read: BytesMut::new(),
            next: None,
        }
    }

    /// The next line, which stays the next until it is taken; `None` at the end. May be cancelled.
    async fn peek(&mut self) -> Result<Option<Bytes>, kube::Error> {
        loop {
            if let Some(line) = &self.next {
                return Ok(Some(line.clone()));
            }
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                self.next = Some(self.read.split_to(end + 1).freeze());
                continue;
            }
            match self.body.next().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self) {
        self.next = None;
    }
}
