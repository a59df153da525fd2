//! What a caller of Tenantry needs beside the generated stubs: sessions, consistency tokens, worlds to load; and for Tenantry's own services, permits.

pub mod guard;
pub mod session;
pub mod token;
pub mod world;
