//! A real Chromium at a phone's size, for pages: driven by its debugging pipe, without scripts on the page.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

use super::process::{Process, RunFolder};

/// Chromium reads commands from descriptor 3 and answers on 4, each ended by a zero byte.
const START: &str = r#"exec "$1" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
  --user-data-dir="$2/profile" --remote-debugging-pipe about:blank 3<"$2/in" 4>"$2/out""#;
/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_mins(1);

/// Width and height of a small phone.
pub const PHONE: (u32, u32) = (360, 740);

/// A page in a running browser. Dropping it ends the browser.
pub struct Browser {
    _process: Process,
    _folder: RunFolder,
    commands: Sender,
    answers: BufReader<Receiver>,
    session: Option<String>,
    next: u64,
    /// Events that came since the last tap or opening.
    passed: Vec<String>,
}

/// Where something is on the page, in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// The browser's program, or what to do where there is none.
pub fn program() -> io::Result<PathBuf> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&search).collect();
    for name in ["chromium", "chromium-browser", "google-chrome"] {
        if let Some(found) = folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
        {
            return Ok(found);
        }
    }
    Err(io::Error::other(
        "there is no Chromium on this machine: run `make chromium`, or install the package \"chromium\"",
    ))
}

impl Browser {
    /// Starts a browser with an empty page of a phone's size; scripts are switched off.
    pub async fn start() -> io::Result<Self> {
        let program = program()?;
        let folder = RunFolder::new("firebell-chromium-", false)?;
        let path = folder.path().to_owned();
        let pipes = std::process::Command::new("mkfifo")
            .arg(path.join("in"))
            .arg(path.join("out"))
            .status()?;
        if !pipes.success() {
            return Err(io::Error::other("`mkfifo` made no pipes to the browser"));
        }
        let commands = OpenOptions::new()
            .read_write(true)
            .open_sender(path.join("in"))?;
        let answers = OpenOptions::new()
            .read_write(true)
            .open_receiver(path.join("out"))?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let args = [
            "-c".to_owned(),
            START.to_owned(),
            "chromium".to_owned(),
            text(&program),
            text(&path),
        ];
        let process = Process::spawn("chromium", Path::new("sh"), args, &[], &path.join("log"))?;
        let mut browser = Self {
            _process: process,
            _folder: folder,
            commands,
            answers: BufReader::new(answers),
            session: None,
            next: 0,
            passed: Vec::new(),
        };
        browser.open_page().await?;
        Ok(browser)
    }

    async fn open_page(&mut self) -> io::Result<()> {
        let target = self
            .ask("Target.createTarget", json!({"url": "about:blank"}))
            .await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.ask("Target.attachToTarget", attach).await?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        let (width, height) = PHONE;
        let phone =
            json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": true});
        self.ask("Emulation.setDeviceMetricsOverride", phone)
            .await?;
        self.ask(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": true}),
        )
        .await?;
        self.ask("Page.enable", json!({})).await?;
        self.ask("DOM.enable", json!({})).await?;
        Ok(())
    }

    /// Opens an address and waits until the page is loaded.
    pub async fn open(&mut self, url: &str) -> io::Result<()> {
        self.passed.clear();
        self.ask("Page.navigate", json!({"url": url})).await?;
        self.until("Page.loadEventFired").await
    }

    /// Where the first element that a selector finds is.
    pub async fn place(&mut self, selector: &str) -> io::Result<Place> {
        let node = self.node(selector).await?;
        let found = self.ask("DOM.getBoxModel", json!({"nodeId": node})).await?;
        let edge = |index: usize| found["model"]["border"][index].as_f64().unwrap_or(f64::NAN);
        Ok(Place {
            x: edge(0),
            y: edge(1),
            width: edge(2) - edge(0),
            height: edge(5) - edge(1),
        })
    }

    /// Taps the first element that a selector finds, and waits for the page that follows.
    pub async fn tap(&mut self, selector: &str) -> io::Result<()> {
        let place = self.place(selector).await?;
        let (x, y) = (place.x + place.width / 2.0, place.y + place.height / 2.0);
        self.passed.clear();
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", event).await?;
        }
        self.until("Page.loadEventFired").await
    }

    /// The text of the page's main part, as HTML.
    pub async fn html(&mut self) -> io::Result<String> {
        let node = self.node("main").await?;
        let found = self
            .ask("DOM.getOuterHTML", json!({"nodeId": node}))
            .await?;
        Ok(found["outerHTML"].as_str().unwrap_or_default().to_owned())
    }

    /// Width of all that the page holds, in pixels.
    pub async fn content_width(&mut self) -> io::Result<f64> {
        let found = self.ask("Page.getLayoutMetrics", json!({})).await?;
        Ok(found["cssContentSize"]["width"]
            .as_f64()
            .unwrap_or(f64::NAN))
    }

    /// What a person sees, as PNG.
    pub async fn picture(&mut self) -> io::Result<Vec<u8>> {
        let found = self
            .ask("Page.captureScreenshot", json!({"format": "png"}))
            .await?;
        STANDARD
            .decode(found["data"].as_str().unwrap_or_default())
            .map_err(io::Error::other)
    }

    async fn node(&mut self, selector: &str) -> io::Result<Value> {
        let document = self.ask("DOM.getDocument", json!({"depth": 0})).await?;
        let query = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let found = self.ask("DOM.querySelector", query).await?;
        match found["nodeId"].as_i64() {
            Some(0) | None => Err(io::Error::other(format!(
                "nothing on the page is \"{selector}\""
            ))),
            Some(node) => Ok(node.into()),
        }
    }

    /// Sends a command and waits for its answer; events that come meanwhile are passed over.
    async fn ask(&mut self, method: &str, params: Value) -> io::Result<Value> {
        self.next += 1;
        let id = self.next;
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).await?;
        let answer = self.until_message(|message| message["id"] == id).await?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
            None => Ok(answer["result"].clone()),
        }
    }

    async fn until(&mut self, event: &str) -> io::Result<()> {
        if !self.passed.iter().any(|passed| passed == event) {
            self.until_message(|message| message["method"] == event)
                .await?;
        }
        Ok(())
    }

    async fn until_message(&mut self, wanted: impl Fn(&Value) -> bool) -> io::Result<Value> {
        let read = async {
            loop {
                let mut bytes = Vec::new();
                self.answers.read_until(0, &mut bytes).await?;
                bytes.pop();
                let message: Value = serde_json::from_slice(&bytes)?;
                if wanted(&message) {
                    return Ok(message);
                }
                self.passed
                    .extend(message["method"].as_str().map(str::to_owned));
            }
        };
        let late = |_| io::Error::other("the browser did not answer in time");
        tokio::time::timeout(LIMIT, read).await.map_err(late)?
    }
}
