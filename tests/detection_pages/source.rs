//! A detection's source file, read: the words of its doc comment, the types it fires, the suppressions it considers.

use std::path::Path;

use farsign::engine::finding::{RiskEventType, Suppression};

/// What the doc comment of every detection has, in this order.
pub const SECTIONS: [&str; 4] =
    ["What it sees", "Why it matters", "What it misses, and who trips it falsely", "Parameters"];

pub struct Source {
    /// The file's name without `.rs`: the page's, too.
    pub name: String,
    /// "Impossible travel".
    pub title: String,
    /// What it is, in a sentence.
    pub summary: String,
    /// The text of each of [`SECTIONS`].
    pub sections: Vec<String>,
    pub kinds: Vec<RiskEventType>,
    pub suppressions: Vec<Suppression>,
    /// It has a family, whose learning mutes it.
    pub learns: bool,
    /// It makes drafts, to which applies what holds for all detections.
    pub judges: bool,
}

/// Files that are detections: name and text, in order of names.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("mod.rs"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .filter(|(_, text)| is_detection(text))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "detections were found");
    files
}

/// It makes drafts, or its doc comment says that it would.
pub fn is_detection(text: &str) -> bool {
    makes_drafts(text) || doc(text).iter().any(|line| *line == format!("## {}", SECTIONS[0]))
}

fn makes_drafts(text: &str) -> bool {
    let code = code(text);
    ["Result<Draft", "Draft {", "Draft::"].iter().any(|mark| code.contains(mark))
}

/// The lines of the doc comment at the head of the file.
fn doc(text: &str) -> Vec<&str> {
    text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect()
}

/// What follows it, without comments and unit tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Members of an enum that `code` names, in the enum's order. A member's name is what `Debug` says of it.
fn named<T: std::fmt::Debug + Copy>(code: &str, of: &str, all: &[T]) -> Vec<T> {
    let words: Vec<&str> = code
        .split(of)
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default())
        .collect();
    all.iter().copied().filter(|member| words.contains(&format!("{member:?}").as_str())).collect()
}

/// Suppressions that `text`'s code considers.
pub fn suppressions(text: &str) -> Vec<Suppression> {
    named(&code(text), "Suppression::", &Suppression::ALL)
}

impl Source {
    pub fn parse(name: &str, text: &str) -> Result<Source, Vec<String>> {
        let doc = doc(text);
        let mut problems = Vec::new();
        let mut parts: Vec<(&str, Vec<&str>)> = vec![("", Vec::new())];
        for line in doc {
            match line.strip_prefix("## ") {
                Some(heading) => parts.push((heading, Vec::new())),
                None => parts.last_mut().unwrap().1.push(line),
            }
        }
        let head = paragraphs(&parts.remove(0).1);
        let Some((title, summary)) = head.split_once(": ") else {
            return Err(vec!["the first line is not `Name: what it is`".to_owned()]);
        };
        let mut sections = Vec::new();
        for expected in SECTIONS {
            match parts.iter().find(|(heading, _)| *heading == expected) {
                None => problems.push(format!("no section `## {expected}`")),
                Some((_, lines)) if lines.iter().all(|line| line.is_empty()) => {
                    problems.push(format!("nothing under `## {expected}`"));
                }
                Some((_, lines)) => sections.push(paragraphs(lines)),
            }
        }
        let unknown = parts.iter().filter(|(heading, _)| !SECTIONS.contains(heading));
        problems.extend(unknown.map(|(heading, _)| format!("unknown section `## {heading}`")));
        let kinds = named(&code(text), "RiskEventType::", &RiskEventType::ALL);
        if kinds.is_empty() {
            problems.push("fires no type of detection".to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut summary = summary.to_owned();
        summary[..1].make_ascii_uppercase();
        Ok(Source {
            name: name.to_owned(),
            title: title.to_owned(),
            summary,
            sections,
            kinds,
            suppressions: suppressions(text),
            learns: code(text).contains("Some(Family::"),
            judges: makes_drafts(text),
        })
    }

    pub fn section(&self, heading: &str) -> &str {
        &self.sections[SECTIONS.iter().position(|known| *known == heading).unwrap()]
    }
}

/// Lines of a doc comment as they stand on a page.
fn paragraphs(lines: &[&str]) -> String {
    without_code_links(lines.join("\n").trim())
}

/// Links into the code, which only its documentation can follow, become names: of a file where it is one of
/// `src/engine/detect`.
pub fn without_code_links(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let (is_code, after) = match target {
            Some((target, after)) if target.contains("::") => (true, after),
            Some(_) => (false, after),
            None => (true, after),
        };
        let file = name.strip_prefix("super::").map(|module| format!("src/engine/detect/{module}.rs"));
        let file = file.filter(|file| Path::new(file).exists());
        result.push_str(before);
        match (is_code, file) {
            (true, Some(file)) => result.push_str(&format!("`{file}`")),
            (true, None) => result.push_str(&format!("`{name}`")),
            (false, _) => result.push_str(&format!("[`{name}`]")),
        }
        rest = after;
    }
    result + rest
}
