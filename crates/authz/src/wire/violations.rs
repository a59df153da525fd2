//! What is wrong with a request: everything at once.

use std::fmt;

use api::error::v1::Reason;
use chassis::refuse;
use decision::name::MalformedName;
use tonic::{Code, Status};

/// Fields that are wrong, each with what would be right.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<(Reason, String, String)>);

impl Violations {
    pub(crate) fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.add_because(Reason::InvalidField, path, problem);
    }

    pub(crate) fn add_because(&mut self, reason: Reason, path: impl Into<String>, problem: impl Into<String>) {
        self.0.push((reason, path.into(), problem.into()));
    }

    pub(crate) fn name<T>(&mut self, path: impl Into<String>, parsed: Result<T, MalformedName>) -> Option<T> {
        parsed.map_err(|malformed| self.add(path, malformed.to_string())).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of all that is wrong, if it has one.
    pub(crate) fn reason(&self) -> Reason {
        match self.0.split_first() {
            Some(((first, ..), rest)) if rest.iter().all(|(reason, ..)| reason == first) => *first,
            Some(_) | None => Reason::InvalidField,
        }
    }

    /// What was read, if nothing is wrong.
    pub(crate) fn none_in<A, B>(self, read: (Option<A>, Option<B>)) -> Result<(A, B), Status> {
        match read {
            (Some(a), Some(b)) if self.is_empty() => Ok((a, b)),
            _ => Err(self.status()),
        }
    }

    pub(crate) fn status(self) -> Status {
        let refusal = refuse(Code::InvalidArgument, self.reason(), self.to_string());
        self.0.into_iter().fold(refusal, |refusal, (_, path, problem)| refusal.field(path, problem)).status()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, path, problem)) in self.0.iter().enumerate() {
            write!(f, "{}{path}: {problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
