//! The replica against a feed that a test plays by hand.

mod feed;
mod following;
mod freshness;
mod records;
