//! Compiles the contracts under `proto/` without protoc; the descriptors keep the comments for reflection.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let third_party = root.join("third_party");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", root.display());

    let mut files = Vec::new();
    collect_protos(&root.join("tenantry"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([&root, &third_party])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(files.iter().map(|file| file.strip_prefix(&root).unwrap_or(file)))?;
    // grpcurl decodes the details of errors with these.
    compiler.open_files(["google/rpc/error_details.proto"])?;
    fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types")
        .btree_map(".")
        // The role model's messages are read and written as the YAML document is, under the same field names.
        .type_attribute(DOCUMENT, "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default, deny_unknown_fields)]")
        .field_attribute(DOCUMENT, "#[serde(skip_serializing_if = \"crate::document::is_default\")]")
        .field_attribute(format!("{DOCUMENT}.ConditionAttribute.default"), "#[serde(with = \"crate::document::optional_value\")]")
        .field_attribute(format!("{DOCUMENT}.ConditionUse.params"), "#[serde(with = \"crate::document::values\")]")
        .type_attribute(".tenantry.rolecatalog.v1.DocumentRows", "#[derive(serde::Serialize, serde::Deserialize)] #[serde(transparent)]")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

const DOCUMENT: &str = ".tenantry.rolecatalog.v1.RoleModelDocument";

fn collect_protos(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
