//! The handlers.

mod check;
mod permit;
