//! Ceilings: the components that a parent has enabled at a node. Part of the node's record.

use std::collections::BTreeSet;

use decision::name::NodeName;
use service::fields::Etag;

/// The ceiling of a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ceiling {
    pub(crate) node: NodeName,
    /// Only these; none if unset, which means what the role model says.
    pub(crate) components: Option<BTreeSet<String>>,
    /// The node's.
    pub(crate) version: i64,
}

/// What to set. Refused if the node has changed since the etag was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CeilingDraft {
    pub(crate) node: NodeName,
    /// None: unset.
    pub(crate) components: Option<BTreeSet<String>>,
    pub(crate) etag: Etag,
}
