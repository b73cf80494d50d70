//! Where things lie: the tree, its outputs, the cache that outlives both.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The directories a task works with.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    root: PathBuf,
    target: PathBuf,
}

impl Paths {
    /// Finds the tree that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = crate_folder.ancestors().nth(2).context("the crate lies in tests/xtask")?.to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, target })
    }

    /// Root of the source tree.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What a user takes away: images, logs, measurements.
    pub(crate) fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// One log a step.
    pub(crate) fn logs(&self) -> PathBuf {
        self.out().join("log")
    }

    /// Where cargo builds.
    pub(crate) fn cargo_target(&self) -> PathBuf {
        self.target.clone()
    }
}

/// What outlives the tree: kernels, sources, built tools.
pub(crate) fn cache() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(cache.context("neither XDG_CACHE_HOME nor HOME says where the cache is")?.join("evener"))
}
