//! Owns the decision view of one process: loads it from the ledger's feed, keeps it current, and says how fresh it is. Knows
//! nothing of who asks, nor of any store.
//!
//! The authorization service is built on it, and so is any Rust service that decides in-process, without a network call:
//!
//! ```no_run
//! # async fn example(feed: tonic::transport::Channel, query: decision::decision::Query) -> Result<(), replica::NotFresh> {
//! let replica = replica::Replica::start(feed, replica::Clock::system(), replica::Settings::named("services/bidder"));
//! let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(50);
//! let world = replica.at(replica::Consistency::default(), deadline).await?;
//! let decided = decision::decide::decide(world.view(), &query, replica.now());
//! # let _ = decided; Ok(()) }
//! ```
//!
//! - [`Replica`]: the handle. [`Snapshot`]: the world at one position; readers never wait for a writer.
//! - [`Consistency`], [`NotFresh`]: how fresh an answer must be, and why there is none.
//! - [`wire`]: the feed's records as the records that decisions are made from, and back.

mod assemble;
mod clock;
mod feed;
mod follow;
mod fresh;
mod state;
#[cfg(test)]
mod tests;
pub mod wire;

pub use clock::Clock;
pub use fresh::{Consistency, Freshness, NotFresh};
pub use state::{Replica, Settings, Snapshot};
