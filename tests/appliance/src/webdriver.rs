//! A browser driven over WebDriver (W3C WebDriver, <https://www.w3.org/TR/webdriver2/>).
//!
//! The dozen calls that the tests need, over the lab's own HTTP: a client library would bring forty crates
//! and an asynchronous runtime for them. chromedriver picks its own port and says which.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evener_lab::http::{Connection, Request};
use evener_lab::{Program, Serial};
use serde_json::{Value, json};
use tempfile::TempDir;

/// From the start of chromedriver, and for a page to load, on a machine that also emulates a unit.
const LIMIT: Duration = Duration::from_secs(60);
/// The key of an element's id in JSON (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. It closes when it is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: SocketAddr,
    session: String,
    _program: Program,
    _profile: TempDir,
}

/// How a page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Height of the window in CSS pixels.
    pub height: u32,
    /// A small touch screen.
    pub phone: bool,
    /// The person prefers dark colours.
    pub dark: bool,
}

impl Browser {
    /// Starts Chromium without a screen; it accepts the unit's own certificate.
    ///
    /// # Errors
    /// When chromedriver or Chromium do not start.
    pub fn start(log: &Path) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("evener-browser-").tempdir()?;
        let (ours, theirs) = UnixStream::pair()?;
        let out = Stdio::from(OwnedFd::from(theirs));
        let program = Program::start("chromedriver", &["--port=0"], out, Stdio::null())?;
        let words = Serial::follow(ours, std::fs::File::create(log)?, Instant::now());
        let line = words.wait_for("successfully on port ", LIMIT).context("package chromium-driver")?;
        let digits = line.text.rsplit("on port ").next().unwrap_or_default().trim_end_matches('.');
        let port: u16 = digits.parse().with_context(|| line.text.clone())?;
        let driver = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let folder = profile.path().to_str().context("a path that is not UTF-8")?;
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
            "--lang=en-GB",
            &format!("--user-data-dir={folder}"),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": arguments },
        }}});
        let made = call(driver, "POST", "/session", Some(&wanted))?;
        let session = made["sessionId"].as_str().context("a browser without id")?.to_owned();
        Ok(Self { driver, session, _program: program, _profile: profile })
    }

    /// Loads an address.
    ///
    /// # Errors
    /// When it does not load.
    pub fn go(&self, address: &str) -> Result<()> {
        self.post("/url", &json!({ "url": address })).map(|_| ())
    }

    /// Loads an address that may not be served yet, again and again until it is.
    ///
    /// # Errors
    /// When it is not within `limit`.
    pub fn arrive(&self, address: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while let Err(error) = self.go(address) {
            ensure!(Instant::now() < deadline, "waited {limit:?} for {address}: {error:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The address of the page shown.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn address(&self) -> Result<String> {
        let value = call(self.driver, "GET", &format!("/session/{}/url", self.session), None)?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Replaces what stands in an input with `text`.
    ///
    /// # Errors
    /// When there is no such input, or it cannot be typed into.
    pub fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/clear"), &json!({}))?;
        self.post(&format!("/element/{element}/value"), &json!({ "text": text })).map(|_| ())
    }

    /// Chooses a file of this machine in a file input.
    ///
    /// # Errors
    /// When there is no such input, or its path is not UTF-8.
    pub fn choose(&self, selector: &str, file: &Path) -> Result<()> {
        let element = self.find(selector)?;
        let path = file.to_str().context("a path that is not UTF-8")?;
        self.post(&format!("/element/{element}/value"), &json!({ "text": path })).map(|_| ())
    }

    /// From here on pages send at most so many bytes each second.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn slow_down(&self, bytes_a_second: u32) -> Result<()> {
        self.chromium("Network.enable", &json!({}))?;
        let line = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second });
        self.chromium("Network.emulateNetworkConditions", &line)
    }

    /// Clicks an element and waits for the page that this leads to, if it does.
    ///
    /// # Errors
    /// When there is no such element, or it cannot be clicked.
    pub fn click(&self, selector: &str) -> Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/click"), &json!({})).map(|_| ())
    }

    /// The text of the whole page as a person sees it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub fn text(&self) -> Result<String> {
        let value = self.run("return document.body.innerText")?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// What a script returns.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Looks at the page again and again until its text contains `words`.
    ///
    /// # Errors
    /// When it does not within `limit`; the error shows the text.
    pub fn wait_for_text(&self, words: &str, limit: Duration) -> Result<()> {
        let literal = Value::from(words);
        self.wait_until(&format!("return document.body.innerText.includes({literal})"), limit)
    }

    /// Looks at the page again and again until a script returns true.
    ///
    /// # Errors
    /// When it does not within `limit`; the error shows the page's text.
    pub fn wait_until(&self, script: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.run(script)? != true {
            if Instant::now() > deadline {
                bail!("waited {limit:?} for {script} on {}:\n{}", self.address()?, self.text()?);
            }
            // A page has no way to tell us.
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Shows pages in another way from now on.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn show(&self, view: View) -> Result<()> {
        let View { width, height, phone, dark } = view;
        let scale = if phone { 2 } else { 1 };
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone });
        self.chromium("Emulation.setDeviceMetricsOverride", &metrics)?;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.chromium("Emulation.setEmulatedMedia", &features)
    }

    /// Writes what the window shows to a PNG file.
    ///
    /// # Errors
    /// When the browser refuses, or the file cannot be written.
    pub fn picture(&self, path: &Path) -> Result<()> {
        let value = call(self.driver, "GET", &format!("/session/{}/screenshot", self.session), None)?;
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default())?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    fn find(&self, selector: &str) -> Result<String> {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }))?;
        Ok(found[ELEMENT].as_str().with_context(|| format!("no element {selector}"))?.to_owned())
    }

    fn chromium(&self, command: &str, parameters: &Value) -> Result<()> {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).map(|_| ())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        call(self.driver, "POST", &format!("/session/{}{path}", self.session), Some(body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without this, Chromium would outlive chromedriver.
        let _ = call(self.driver, "DELETE", &format!("/session/{}", self.session), None);
    }
}

fn call(driver: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let stream = TcpStream::connect(driver)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut request = Request::new(method, &driver.to_string(), path).header("Connection", "close");
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body.to_string());
    }
    let response = Connection::new(stream).exchange(&request)?;
    let mut answer: Value = serde_json::from_slice(&response.body)?;
    let value = answer["value"].take();
    ensure!(response.status == 200, "{method} {path}: {} {}", value["error"], value["message"]);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_lab::http::Response;
    use std::net::TcpListener;

    const PAGE: &str = "<!doctype html><title>t</title><form action=/done>\
        <input name=word value=old><button>Go</button></form><p id=s></p>\
        <script>s.textContent = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'</script>";

    fn serve(listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            let mut connection = Connection::new(stream);
            let Ok(Some(request)) = connection.read_request() else { continue };
            let mut page = Response::text(200, &format!("{PAGE}<p>{}</p>", request.target));
            page.headers =
                vec![("Content-Type".into(), "text/html".into()), ("Connection".into(), "close".into())];
            // A browser opens more connections than it uses, and closes them as it likes.
            let _ = connection.answer(&request.method, &page);
        }
    }

    #[test]
    fn a_form_is_filled_in_sent_and_pictured() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let home = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || serve(&listener));
        let folder = tempfile::tempdir().unwrap();
        let browser = Browser::start(&folder.path().join("log")).unwrap();
        browser.go(&home).unwrap();
        browser.wait_for_text("light", LIMIT).unwrap();
        browser.fill("[name=word]", "new word").unwrap();
        browser.click("button").unwrap();
        browser.wait_for_text("/done?word=new+word", LIMIT).unwrap();
        browser.show(View { width: 390, height: 844, phone: true, dark: true }).unwrap();
        browser.go(&home).unwrap();
        browser.wait_for_text("dark", LIMIT).unwrap();
        let picture = folder.path().join("page.png");
        browser.picture(&picture).unwrap();
        let bytes = std::fs::read(&picture).unwrap();
        assert_eq!(&bytes[1..4], b"PNG");
        // Two device pixels for each of the phone's.
        assert_eq!(bytes[16..24], [0, 0, 3, 12, 0, 0, 6, 152]);
        assert!(browser.click("#nothing").is_err());
    }
}
