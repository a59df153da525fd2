//! The service over an in-memory transport, on a replica that follows a feed in memory.

mod checks;
mod feed;
mod lists;
mod permits;
mod world;
