//! A real browser, driven through its `WebDriver`: Chromium without a window.
//! <https://www.w3.org/TR/webdriver2/>
//!
//! Starting one costs more processor time than most tests spend in it. So a test hands its browser on, and the next
//! gets a new tab. A watchdog reads a pipe that only the test process can write to: however that process ends, the
//! pipe ends with it, and so do the browser and its driver.
//!
//! Written out here because what a client library brings along would have the AWS SDK built twice.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Answer, delete, get, post};
use super::wait_for_what;

/// The key that submits, and the one that goes on to the next field.
pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";

/// How many browsers run at once: each takes a quarter of a core.
const MOST: usize = 6;

static POOL: Mutex<Pool> = Mutex::new(Pool { started: 0, idle: Vec::new() });
static FREE: Condvar = Condvar::new();

/// The browsers that run.
struct Pool {
    started: usize,
    idle: Vec<Chromium>,
}

/// A tab of a browser that no other test uses meanwhile.
pub struct Browser {
    /// Until it is dropped.
    chromium: Option<Chromium>,
    session: String,
}

/// A browser that runs, its driver, and what ends both.
struct Chromium {
    session: String,
    profile: PathBuf,
    driver: Child,
    watchdog: Child,
    _place: Place,
}

/// A place among the browsers that run.
struct Place;

impl Drop for Place {
    fn drop(&mut self) {
        POOL.lock().expect("no test breaks down here").started -= 1;
        FREE.notify_one();
    }
}

impl Browser {
    /// Takes one that another test has done with, or starts one, as soon as there is room.
    ///
    /// # Panics
    /// When there is no `chromedriver`: a test that needs a browser must not pass without it.
    pub fn start() -> Self {
        let pool = POOL.lock().expect("no test breaks down here");
        let mut pool = FREE
            .wait_while(pool, |pool| pool.idle.is_empty() && pool.started >= MOST)
            .expect("no test breaks down here");
        let idle = pool.idle.pop();
        pool.started += usize::from(idle.is_none());
        drop(pool);
        let chromium = idle.unwrap_or_else(|| Chromium::start(Place));
        Self { session: chromium.session.clone(), chromium: Some(chromium) }
    }

    /// The folder of its files, which goes with it, and the process of its driver.
    pub fn traces(&self) -> (&Path, u32) {
        let chromium = self.chromium.as_ref().expect("it is not dropped yet");
        (&chromium.profile, chromium.driver.id())
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.command("refresh", &json!({}));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        text(value(&get(&format!("{}/url", self.session))))
    }

    /// What the body of a function returns, on the page.
    pub fn run(&self, body: &str) -> Value {
        self.command("execute/sync", &json!({"script": body, "args": []}))
    }

    /// The text of the element that a selector finds, as it is seen; nothing where it is not.
    pub fn text(&self, selector: &str) -> String {
        self.texts(selector).into_iter().next().unwrap_or_default()
    }

    /// The texts of all elements that a selector finds and that are seen.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let all = format!("[...document.querySelectorAll({})]", json!(selector));
        let seen = format!("{all}.filter((one) => one.checkVisibility())");
        let found = self.run(&format!("return {seen}.map((one) => one.innerText)"));
        found.as_array().expect("a list").iter().cloned().map(text).collect()
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let press = |key: char| {
            let key = key.to_string();
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        };
        let actions: Vec<_> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.command("actions", &json!({"actions": [keyboard]}));
    }

    /// Goes on with the Tab key until an element has the focus.
    ///
    /// # Panics
    /// When no key leads there.
    #[track_caller]
    pub fn reach(&self, id: &str) {
        let found = (0..30).any(|_| {
            self.press(TAB);
            self.focus() == id
        });
        assert!(found, "no key leads to {id}");
    }

    /// The id of the element that has the focus.
    pub fn focus(&self) -> String {
        text(self.run("return document.activeElement.id"))
    }

    /// How wide the window is, and whether it is dark around it.
    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": scheme}));
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": false}),
        );
    }

    /// A picture of the whole page, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let wanted = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.devtools("Page.captureScreenshot", &wanted);
        STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64")
    }

    /// What the browser complained about since it was last asked.
    pub fn complaints(&self) -> Vec<String> {
        let logged = self.command("se/log", &json!({"type": "browser"}));
        let messages = logged.as_array().expect("a list").iter();
        messages.map(|entry| entry["message"].to_string()).collect()
    }

    /// Waits until a selector finds an element whose text holds this.
    #[track_caller]
    pub fn sees(&self, selector: &str, wanted: &str) {
        let is_there = || self.texts(selector).iter().any(|text| text.contains(wanted));
        let told = || format!("{wanted:?} in {selector}: {:?}", self.text("main"));
        wait_for_what(told, || is_there().then_some(()));
    }

    /// Goes on in a tab that nothing was done in.
    fn another_tab(&self) {
        let made = self.command("window/new", &json!({"type": "tab"}));
        value(&delete(&format!("{}/window", self.session)));
        self.command("window", &json!({"handle": made["handle"]}));
        self.devtools("Network.clearBrowserCache", &json!({}));
        self.complaints();
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn command(&self, name: &str, parameters: &Value) -> Value {
        let url = format!("{}/{name}", self.session);
        value(&post(&url, &parameters.to_string(), &[]))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // What a failed test has left of it is nothing for the next.
        if std::thread::panicking() {
            return;
        }
        self.another_tab();
        POOL.lock().expect("no test breaks down here").idle.extend(self.chromium.take());
        FREE.notify_one();
    }
}

impl Chromium {
    fn start(place: Place) -> Self {
        let profile = TempDir::new().expect("a temporary folder");
        let (driver, port) = driver(profile.path());
        // The watchdog removes it.
        let profile = profile.keep();
        let watchdog = watchdog(&driver, &profile);
        let folder = format!("--user-data-dir={}", profile.display());
        let arguments = [
            "--headless=new",
            // As root there is none, as in most containers.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-proxy-server",
            "--hide-scrollbars",
            "--window-size=1000,1100",
            &folder,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let sessions = format!("http://127.0.0.1:{port}/session");
        let made = value(&post(&sessions, &wanted.to_string(), &[]));
        let id = made["sessionId"].as_str().expect("a session");
        Self { session: format!("{sessions}/{id}"), profile, driver, watchdog, _place: place }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // This ends the pipe first.
        _ = self.watchdog.wait();
        _ = self.driver.wait();
    }
}

/// Starts a driver; returns the port where it listens. The browser runs in its process group, and both keep their
/// temporary files in `folder`.
fn driver(folder: &Path) -> (Child, u16) {
    // It takes a port that is free on IPv4 and ends where that is taken on IPv6.
    let started = (0..5).find_map(|_| {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", folder)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts (Debian: apt install chromium chromium-driver)");
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = said.find_map(|line| {
            let line = line.ok()?;
            let port = line.split("started successfully on port ").nth(1)?;
            port.trim_end_matches('.').parse().ok()
        });
        let Some(port) = port else {
            driver.wait().expect("it has ended");
            return None;
        };
        // It goes on telling, and must find a reader.
        std::thread::spawn(move || said.for_each(drop));
        Some((driver, port))
    });
    started.expect("one of five drivers tells its port")
}

/// Starts what ends a driver and its browser when the pipe it reads has ended.
fn watchdog(driver: &Child, profile: &Path) -> Child {
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", "cat > /dev/null; kill -s KILL -- \"-$0\"; rm -rf \"$1\""]);
    watchdog.arg(driver.id().to_string()).arg(profile);
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    watchdog.spawn().expect("a shell starts")
}

/// What an answer of the driver's holds.
#[track_caller]
fn value(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["value"].take()
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("no text: {other}"),
    }
}
