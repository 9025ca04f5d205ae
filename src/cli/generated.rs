//! Files that are made from the code: named, then written. It does I/O.

use std::{fs, path::Path};

use anyhow::Context as _;

/// Writes each file, by its name in `dir`, which is made if it is not there. Other files in it are left alone.
pub fn write(dir: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    for (name, text) in files {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
