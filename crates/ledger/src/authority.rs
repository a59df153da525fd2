//! What entitles a write, and what that rests on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use client::token::Token;
use tokio::time::Instant;

/// That a tree is as some revision left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// A root organization's name; for what is in no tree, its own: `users/ann`, `roleModels/ad-platform`.
    pub tree: String,
    /// The last commit that changed it; 0 if none has.
    pub revision: u64,
}

/// The permit of a write (DESIGN §6): valid as long as every tree that it rests on stays as it was, and until it lapses.
#[async_trait]
pub trait Authority: Send {
    /// The trees that the write changes: locked against each other, and stamped by the commit.
    fn written(&self) -> &[String];

    /// Everything that the verdict rests on, written trees included.
    fn stamps(&self) -> &[Stamp];

    /// When it lapses, if it does.
    fn expires_at(&self) -> Option<DateTime<Utc>>;

    /// Decides again, at `at_least` or later; may change `written`, `stamps` and `expires_at`. Called while the trees are
    /// locked, so they do not change meanwhile. An error ends the write.
    async fn renew(&mut self, at_least: Token, deadline: Instant) -> Result<(), tonic::Status>;
}

/// The authority of the product itself: for sweeps and the bootstrap. Rests on nothing.
#[derive(Clone, Debug)]
pub struct SystemAuthority {
    /// The trees that the write changes.
    pub written: Vec<String>,
}

#[async_trait]
impl Authority for SystemAuthority {
    fn written(&self) -> &[String] {
        &self.written
    }

    fn stamps(&self) -> &[Stamp] {
        &[]
    }

    fn expires_at(&self) -> Option<DateTime<Utc>> {
        None
    }

    async fn renew(&mut self, _at_least: Token, _deadline: Instant) -> Result<(), tonic::Status> {
        Ok(())
    }
}
