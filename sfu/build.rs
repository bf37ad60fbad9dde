//! Puts the web files where they are embedded from: `web/dist` when it is built,
//! a page that says how to build it otherwise.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("web");
    let dist = root.join("web/dist");
    // A watched path that does not exist would make every build a full one.
    if root.join("web").is_dir() && !dist.exists() {
        fs::create_dir(&dist)?;
    }
    println!("cargo::rerun-if-changed=build.rs");
    if dist.exists() {
        println!("cargo::rerun-if-changed={}", dist.display());
    }
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    if dist.join("index.html").is_file() {
        copy(&dist, &out)
    } else {
        fs::File::create(out.join("index.html"))?.write_all(PLACEHOLDER.as_bytes())
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(to.join(&name))?;
            copy(&entry.path(), &to.join(&name))?;
        } else {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

const PLACEHOLDER: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>weblive</title>
<h1>weblive runs</h1>
<p>This binary was built without its web files. <code>make build</code> puts them in.</p>
</html>
";
