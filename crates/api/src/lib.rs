//! The generated stubs and messages of Tenantry's contracts (`proto/`), and their descriptors. Knows nothing else.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code; the comments of the contracts are its documentation")]

pub mod document;

/// Every contract with its comments, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// Reasons of errors.
pub mod error {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tenantry.error.v1");
    }
}

/// The feed of changes.
pub mod feed {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tenantry.feed.v1");
    }
}

/// Role models and roles.
pub mod rolecatalog {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tenantry.rolecatalog.v1");
    }
}

/// Who is there.
pub mod directory {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tenantry.directory.v1");
    }
}

/// Who may.
pub mod authz {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("tenantry.authz.v1");
    }
}
