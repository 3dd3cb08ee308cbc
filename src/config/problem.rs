//! What is wrong with a configuration: where, what was found, what is allowed.

use std::fmt;
use std::path::Path;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Not known: the file as a whole.
    File,
    /// 1-based line of the file.
    Line(u64),
    /// An environment variable.
    Variable(String),
    /// `KEY=VALUE` that a command was given.
    Setting(String),
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub origin: Origin,
    /// Path of the key, dots between; empty = the file as a whole.
    pub path: String,
    /// Lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File => {}
            Origin::Line(line) => write!(f, "line {line}: ")?,
            Origin::Variable(name) => write!(f, "environment variable {name}: ")?,
            Origin::Setting(text) => write!(f, "`{text}`: ")?,
        }
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// Every problem of a configuration, in the order of lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems {
    pub problems: Vec<Problem>,
    /// The file could not be read at all, so nothing is known about its content.
    pub unreadable: bool,
}

impl ConfigProblems {
    pub(super) fn new(mut problems: Vec<Problem>) -> ConfigProblems {
        problems.sort();
        problems.dedup();
        ConfigProblems { problems, unreadable: false }
    }

    pub(super) fn one(problem: Problem) -> ConfigProblems {
        ConfigProblems::new(vec![problem])
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> ConfigProblems {
        let message = format!("cannot read `{}`: {error}", path.display());
        let problem = Problem { origin: Origin::File, path: String::new(), message };
        ConfigProblems { problems: vec![problem], unreadable: true }
    }
}

/// One problem a line.
impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}
