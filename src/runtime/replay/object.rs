//! URLs of object storage → the objects under them, which are read as files are: twice, and in any order.
//!
//! `s3://bucket/prefix`, `gs://…`, `az://container/…`, `abfss://…` and the providers' own `https://…` hosts, as the crate
//! `object_store` takes them; with `*` or `[` in it the URL is a pattern. Options and secrets come from the environment
//! only (AWS_…, AZURE_…, GOOGLE_…), and none of them is told in a message. Retries are the crate's.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use crossbeam_channel::{Receiver, bounded};
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig,
};
use tokio::runtime::Handle;
use url::Url;

mod chunks;
mod reader;

pub use chunks::Chunks;
pub use reader::ObjectReader;

/// Objects that one argument may name.
const OBJECTS_MAX: usize = 1_000_000;
/// Retries of the first request: a wrong address should be told soon.
const FIRST_RETRIES_MAX: usize = 3;
/// Retries of a read: about a minute.
const READ_RETRIES_MAX: usize = 10;
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a server's answer that are told.
const TOLD_LENGTH_MAX: usize = 300;
const CHANGED: &str = "it was changed while it was read";
/// What a URL may begin with.
const SCHEMES: &str = "s3://bucket/…, gs://bucket/…, az://container/…, or an https:// address of these providers";

/// An answer that is waited for; an error in words.
type Fetch = Receiver<Result<Bytes, String>>;

/// One object.
#[derive(Clone)]
pub struct Object {
    bucket: Arc<Bucket>,
    path: Path,
    length: u64,
    /// What it holds, if the list says so: the store is to refuse to give something else.
    tag: Option<String>,
    /// What the first answer was of, since not every store refuses, or has tags.
    seen: Arc<OnceLock<Version>>,
}

/// Which of the objects that had a name one after the other.
#[derive(Clone, Debug, PartialEq)]
struct Version {
    tag: Option<String>,
    /// In milliseconds since 1970.
    modified: i64,
}

/// Where objects are.
struct Bucket {
    /// Without the slash before the path.
    url: String,
    store: Box<dyn ObjectStore>,
    worker: Worker,
    /// Readers and chunks in use.
    open: AtomicUsize,
}

/// The thread that does the requests of a bucket. It ends when the bucket goes.
struct Worker {
    handle: Handle,
    _alive: tokio::sync::oneshot::Sender<()>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} {} {:?})", self.name(), self.length, self.tag)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        (self.name(), &self.tag) == (other.name(), &other.tag)
    }
}

impl Eq for Object {}

impl Object {
    pub fn name(&self) -> String {
        format!("{}/{}", self.bucket.url, self.path)
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Asks for a range of its bytes: all of them, of the object that it was, or why not.
    fn fetch(&self, range: Range<u64>) -> Fetch {
        let (sender, receiver) = bounded(1);
        let (object, asked) = (self.clone(), range.end - range.start);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.tag.clone(),
            ..GetOptions::default()
        };
        self.bucket.worker.handle.spawn(async move {
            // Who asked may have gone.
            drop(sender.send(object.get(options, asked).await));
        });
        receiver
    }

    async fn get(&self, options: GetOptions, asked: u64) -> Result<Bytes, String> {
        let got = self.bucket.store.get_opts(&self.path, options).await.map_err(|error| told(&error))?;
        let ObjectMeta { size, e_tag, last_modified, .. } = &got.meta;
        let version = Version { tag: e_tag.clone(), modified: last_modified.timestamp_millis() };
        if *size != self.length || *self.seen.get_or_init(|| version.clone()) != version {
            return Err(CHANGED.to_owned());
        }
        let bytes = got.bytes().await.map_err(|error| told(&error))?;
        match bytes.len() as u64 {
            length if length == asked => Ok(bytes),
            length => Err(format!("the storage gave {length} bytes where {asked} were asked for")),
        }
    }
}

/// Is this a URL, and no path?
pub fn is_url(argument: &str) -> bool {
    let scheme = argument.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// A URL, taken apart.
#[derive(Debug, PartialEq)]
struct Place {
    scheme: ObjectStoreScheme,
    /// Of the bucket.
    url: String,
    /// The part of the path that is no pattern.
    path: Path,
    pattern: Option<String>,
}

fn place(argument: &str) -> anyhow::Result<Place> {
    let (fixed, is_pattern) = match argument.find(['*', '[']) {
        Some(at) => (&argument[..argument[..at].rfind('/').map_or(at, |slash| slash + 1)], true),
        None => (argument, false),
    };
    let url = Url::parse(fixed).map_err(|error| anyhow!("`{}` is no URL: {error}", without_query(argument)))?;
    if url.query().is_some() || url.password().is_some() || url.fragment().is_some() || argument.contains('?') {
        bail!("`{}`: keys and tokens go into the environment, not into the URL", without_query(argument));
    }
    let (scheme, path) = ObjectStoreScheme::parse(&url)
        .ok()
        .filter(|(scheme, _)| {
            use ObjectStoreScheme::{AmazonS3, GoogleCloudStorage, MicrosoftAzure};
            matches!(scheme, AmazonS3 | GoogleCloudStorage | MicrosoftAzure)
        })
        .with_context(|| format!("`{argument}` names no storage that is known: expected {SCHEMES}"))?;
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let of_bucket = &segments[..segments.len().saturating_sub(path.parts().count())];
    let authority = &url[url::Position::BeforeUsername..url::Position::AfterPort];
    let bucket = std::iter::once(authority).chain(of_bucket.iter().copied()).collect::<Vec<_>>().join("/");
    let bucket = format!("{}://{bucket}", url.scheme());
    let pattern = is_pattern.then(|| format!("{}{}", prefix_of(&path), &argument[fixed.len()..]));
    Ok(Place { scheme, url: bucket, path, pattern })
}

fn prefix_of(path: &Path) -> String {
    if path.as_ref().is_empty() { String::new() } else { format!("{path}/") }
}

/// The objects that the URL names: all under it in order of their names, or the one.
pub fn expand(argument: &str) -> anyhow::Result<Vec<Object>> {
    let place = place(argument)?;
    let worker = Worker::start().context("cannot start a thread")?;
    let asked = store(&place, FIRST_RETRIES_MAX).and_then(|store| {
        let found = worker.wait(find(store, place.path.clone(), place.pattern.is_some()));
        found.unwrap_or_else(|| Err(stopped()))
    });
    let mut found = asked.map_err(|error| anyhow!("cannot list `{argument}`: {}", told(&error)))?;
    if let Some(pattern) = &place.pattern {
        let pattern = glob::Pattern::new(pattern).with_context(|| format!("`{argument}` is not a pattern"))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        found.retain(|object| pattern.matches_with(object.location.as_ref(), options));
    }
    // Empty ones stand for folders, and hidden ones are left out of folders.
    let prefix = prefix_of(&place.path);
    let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    found.retain(|object| {
        let path = object.location.as_ref();
        object.size > 0 && !path.strip_prefix(&prefix).is_some_and(is_hidden)
    });
    found.sort_unstable_by(|first, second| first.location.cmp(&second.location));
    if found.len() > OBJECTS_MAX {
        bail!("`{argument}` names more than {OBJECTS_MAX} objects");
    }
    let store =
        store(&place, READ_RETRIES_MAX).map_err(|error| anyhow!("cannot use `{argument}`: {}", told(&error)))?;
    let bucket = Arc::new(Bucket { url: place.url, store, worker, open: AtomicUsize::new(0) });
    let object = |meta: ObjectMeta| Object {
        bucket: bucket.clone(),
        path: meta.location,
        length: meta.size,
        tag: meta.e_tag,
        seen: Arc::default(),
    };
    Ok(found.into_iter().map(object).collect())
}

/// The objects under this name, or else the one of this name.
async fn find(store: Box<dyn ObjectStore>, path: Path, is_pattern: bool) -> Result<Vec<ObjectMeta>, Error> {
    let under = list(&*store, &path).await;
    let is_answer =
        under.as_ref().is_ok_and(|objects| !objects.is_empty() || is_pattern || path.as_ref().is_empty());
    // Who may read an object need not be allowed to list.
    let is_failure = !matches!(under, Ok(_) | Err(Error::PermissionDenied { .. }));
    if is_answer || is_failure {
        return under;
    }
    match store.head(&path).await {
        Ok(object) => Ok(vec![object]),
        Err(Error::NotFound { .. }) => under,
        Err(error) => under.and(Err(error)),
    }
}

async fn list(store: &dyn ObjectStore, path: &Path) -> Result<Vec<ObjectMeta>, Error> {
    let mut objects = Vec::new();
    let mut listed = store.list(Some(path).filter(|path| !path.as_ref().is_empty()));
    while let Some(object) = listed.try_next().await? {
        objects.push(object);
        if objects.len() > OBJECTS_MAX {
            break;
        }
    }
    Ok(objects)
}

fn store(place: &Place, retries_max: usize) -> Result<Box<dyn ObjectStore>, Error> {
    let retry = RetryConfig { max_retries: retries_max, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let url = &place.url;
    Ok(match place.scheme {
        ObjectStoreScheme::GoogleCloudStorage => {
            Box::new(GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry).build()?)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            Box::new(MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry).build()?)
        }
        _ => Box::new(AmazonS3Builder::from_env().with_url(url).with_retry(retry).build()?),
    })
}

impl Worker {
    fn start() -> std::io::Result<Worker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("objects".into()).spawn(move || {
            // It ends with an error: nobody sends, the sender is dropped.
            drop(runtime.block_on(ended));
            runtime.shutdown_background();
        })?;
        Ok(Worker { handle, _alive: alive })
    }

    /// `None` when the thread is gone.
    fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (sender, receiver) = bounded(1);
        self.handle.spawn(async move { drop(sender.send(future.await)) });
        receiver.recv().ok()
    }
}

fn stopped() -> Error {
    Error::Generic { store: "storage", source: "its thread has stopped".into() }
}

/// What went wrong, and what to look at.
fn told(error: &Error) -> String {
    let hint = match error {
        Error::NotFound { .. } => "; is the name right, and is the bucket there?",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            "; do the credentials in the environment (AWS_…, AZURE_…, GOOGLE_…) allow to list and read it?"
        }
        Error::Precondition { .. } => return CHANGED.to_owned(),
        _ => "; are its address and the credentials in the environment (AWS_…, AZURE_…, GOOGLE_…) right?",
    };
    let mut causes: Vec<String> = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    // Each repeats the one below: the innermost is the reason, unless it is an answer's body.
    let innermost = causes.last().map(String::as_str).unwrap_or_default();
    let reason = causes.iter().find_map(|cause| message_of(cause)).unwrap_or(innermost);
    format!("{}{hint}", without_query(&shortened(reason)))
}

/// The message in an answer of S3's or Azure's.
fn message_of(text: &str) -> Option<&str> {
    let (_, text) = text.split_once("<Message>")?;
    text.split_once("</Message>").map(|(message, _)| message)
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(TOLD_LENGTH_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Takes queries out of the URLs in a text: a token may be in them.
fn without_query(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, ')' | '"' | '`' | '\'' | '>');
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let end = rest[at..].find(is_end).map_or(rest.len(), |end| at + end);
        let url = &rest[..end];
        match url[at..].find('?') {
            Some(query) => cleaned.push_str(&format!("{}?…", &url[..at + query])),
            None => cleaned.push_str(url),
        }
        rest = &rest[end..];
    }
    cleaned + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let check = |argument: &str, url: &str, path: &str, pattern: Option<&str>| {
            let place = place(argument).expect(argument);
            assert_eq!((&*place.url, place.path.as_ref(), place.pattern.as_deref()), (url, path, pattern));
        };
        check("s3://logs", "s3://logs", "", None);
        check("s3://logs/", "s3://logs", "", None);
        check("s3a://logs/a/b%20c.json.gz", "s3a://logs", "a/b c.json.gz", None);
        check("gs://logs/a/", "gs://logs", "a", None);
        check("az://logs/y=2025/m=03", "az://logs", "y=2025/m=03", None);
        check("abfss://logs@acme.dfs.core.windows.net/a", "abfss://logs@acme.dfs.core.windows.net", "a", None);
        check(
            "https://acme.blob.core.windows.net/logs/a/b",
            "https://acme.blob.core.windows.net/logs",
            "a/b",
            None,
        );
        check("https://s3.eu-west-1.amazonaws.com/logs/a", "https://s3.eu-west-1.amazonaws.com/logs", "a", None);
        check("https://logs.s3.eu-west-1.amazonaws.com/a", "https://logs.s3.eu-west-1.amazonaws.com", "a", None);
        check("s3://logs/a/*/p-[0-9].json", "s3://logs", "a", Some("a/*/p-[0-9].json"));
        check("s3://logs/*.json", "s3://logs", "", Some("*.json"));
        check("s3://logs/a*", "s3://logs", "", Some("a*"));
    }

    #[test]
    fn urls_that_are_refused_keep_their_secrets() {
        for (argument, expected) in [
            ("ftp://host/a", "names no storage that is known: expected s3://"),
            ("https://example.com/a", "names no storage that is known"),
            ("file:///etc/passwd", "names no storage that is known"),
            ("s3:///a", "names no storage that is known"),
            ("s3://*/a", "names no storage that is known"),
            ("az://logs/a?sig=geheim", "keys and tokens go into the environment"),
            ("s3://id:geheim@logs/a", "keys and tokens go into the environment"),
            ("s3://logs/a*?sig=geheim", "keys and tokens go into the environment"),
        ] {
            let error = place(argument).expect_err(argument).to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("sig=geheim"), "{error}");
        }
        assert!(is_url("s3://a") && is_url("foo://a") && !is_url("a/b") && !is_url("C:\\a") && !is_url("://a"));
    }

    /// Of every scheme a store can be made, from the address and the environment alone.
    #[test]
    fn every_scheme_has_its_store() {
        for (argument, name) in [("s3://logs/a", "AmazonS3"), ("gs://logs/a", "GoogleCloudStorage")] {
            let store = store(&place(argument).expect(argument), 1).expect(argument);
            assert!(store.to_string().starts_with(name), "{store}");
        }
        // An account is needed, and its absence told.
        let told = told(&store(&place("az://logs/a").expect("a URL"), 1).expect_err("no account"));
        assert!(told.contains("Account must be specified"), "{told}");
        let argument = "abfss://logs@acme.dfs.core.windows.net/a";
        assert!(store(&place(argument).expect("a URL"), 1).expect("an account").to_string().contains("acme"));
    }

    #[test]
    fn answers_are_told_short_and_without_queries() {
        let body = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>AccessDenied\
            </Code><Message>Access\n denied.</Message></Error>";
        let error = Error::PermissionDenied { path: "a".into(), source: body.into() };
        assert!(told(&error).starts_with("Access denied.; do the credentials"), "{}", told(&error));
        let source = "error sending request for url (https://a.example/b?sv=1&sig=geheim): refused".into();
        let told = told(&Error::Generic { store: "Azure", source });
        assert!(told.starts_with("error sending request for url (https://a.example/b?…): refused; are"), "{told}");
        assert_eq!(shortened(&"x".repeat(1_000)).chars().count(), TOLD_LENGTH_MAX + 1);
    }
}
