//! A Chromium without a screen that opens one page, and keeps what the page complained of and asked for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Network, Page};
use headless_chrome::types::PrintToPdfOptions;
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

/// A page on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Runs before the page's own scripts: what it complains of is noted in the page, too.
const WATCHER: &str = "
    window.problems = [];
    addEventListener('error', (event) => problems.push(`error: ${event.message}`), true);
    addEventListener('unhandledrejection', (event) => problems.push(`rejection: ${event.reason}`));
    addEventListener('securitypolicyviolation', (event) => problems.push(`policy: ${event.violatedDirective}`));
    for (const name of ['error', 'warn']) {
        const told = console[name];
        console[name] = (...words) => { problems.push(`console: ${words.join(' ')}`); told.apply(console, words); };
    }";

pub struct Opened {
    _browser: Browser,
    pub tab: Arc<Tab>,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    problems: Vec<String>,
    requests: Vec<String>,
}

/// Opens the file in a window of this width.
pub fn open(path: &Path, width: u32) -> Opened {
    let executable = headless_chrome::browser::default_executable()
        .expect("there is no Chromium: run scripts/setup.sh, or name one in CHROME");
    let options = LaunchOptions::default_builder()
        .path(Some(executable))
        // Chromium's own sandbox does not work for root; the page is ours.
        .sandbox(false)
        .window_size(Some((width, 900)))
        .idle_browser_timeout(PATIENCE)
        .args(vec![OsStr::new("--force-color-profile=srgb"), OsStr::new("--disable-dev-shm-usage")])
        .build()
        .unwrap();
    let browser = Browser::new(options).expect("Chromium starts");
    let tab = browser.new_tab().unwrap();
    tab.set_default_timeout(PATIENCE);
    let noted = Arc::new(Mutex::new(Noted::default()));
    let sink = noted.clone();
    let listen = move |event: &Event| {
        let mut noted = sink.lock().unwrap();
        match event {
            Event::RuntimeConsoleAPICalled(event) => noted.problems.push(format!("{:?}", event.params.args)),
            Event::RuntimeExceptionThrown(event) => {
                noted.problems.push(format!("{:?}", event.params.exception_details));
            }
            Event::LogEntryAdded(event) => noted.problems.push(event.params.entry.text.clone()),
            Event::NetworkRequestWillBeSent(event) => noted.requests.push(event.params.request.url.clone()),
            _ => {}
        }
    };
    tab.add_event_listener(Arc::new(listen)).unwrap();
    tab.enable_runtime().unwrap();
    tab.enable_log().unwrap();
    let network = Network::Enable {
        max_total_buffer_size: None,
        max_resource_buffer_size: None,
        max_post_data_size: None,
        report_direct_socket_traffic: None,
        enable_durable_messages: None,
    };
    tab.call_method(network).unwrap();
    let watcher = Page::AddScriptToEvaluateOnNewDocument {
        source: WATCHER.to_owned(),
        world_name: None,
        include_command_line_api: None,
        run_immediately: None,
    };
    tab.call_method(watcher).unwrap();
    tab.navigate_to(&url(path)).unwrap().wait_until_navigated().unwrap();
    Opened { _browser: browser, tab, noted }
}

pub fn url(path: &Path) -> String {
    format!("file://{}", std::fs::canonicalize(path).unwrap().display())
}

impl Opened {
    /// What an expression comes to in the page.
    pub fn ask(&self, expression: &str) -> Value {
        let told = self.tab.evaluate(&format!("JSON.stringify({expression})"), false).unwrap().value;
        let told = told.unwrap_or_else(|| panic!("`{expression}` came to nothing"));
        serde_json::from_str(told.as_str().unwrap()).unwrap()
    }

    /// Complaints, as the browser and the page itself have them.
    pub fn problems(&self) -> Vec<String> {
        let own = self.ask("window.problems");
        let own = own.as_array().unwrap().iter().map(|problem| problem.as_str().unwrap().to_owned());
        self.noted.lock().unwrap().problems.iter().cloned().chain(own).collect()
    }

    pub fn requests(&self) -> Vec<String> {
        self.noted.lock().unwrap().requests.clone()
    }

    /// Keeps a picture of the whole page, and what a printer would get, for people to look at.
    pub fn keep_pictures(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
        std::fs::create_dir_all(&folder).unwrap();
        let size = self.ask("[document.documentElement.clientWidth, document.documentElement.scrollHeight]");
        let picture = Page::CaptureScreenshot {
            format: Some(Page::CaptureScreenshotFormatOption::Png),
            quality: None,
            clip: Some(Page::Viewport {
                x: 0.0,
                y: 0.0,
                width: size[0].as_f64().unwrap(),
                height: size[1].as_f64().unwrap(),
                scale: 1.0,
            }),
            from_surface: Some(true),
            capture_beyond_viewport: Some(true),
            optimize_for_speed: None,
        };
        let picture = self.tab.call_method(picture).unwrap().data;
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
        let options = PrintToPdfOptions { prefer_css_page_size: Some(true), ..PrintToPdfOptions::default() };
        std::fs::write(folder.join(format!("{name}.pdf")), self.tab.print_to_pdf(Some(options)).unwrap()).unwrap();
    }
}
