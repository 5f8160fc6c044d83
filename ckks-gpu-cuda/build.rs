//! Compiles the kernels for the executor, a test-only feature. Without it nothing is built here:
//! cards get embedded PTX, or what NVRTC makes of the sources.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "executor")]
    executor::build();
}

#[cfg(feature = "executor")]
mod executor {
    use std::path::{Path, PathBuf};

    /// Sets of kernels with one planted fault: name, file, what stands there, what is put in its
    /// place. The tests want each of them found.
    const PLANTED: [(&str, &str, &str, &str); 4] = [
        (
            "missing_barrier",
            "ntt.cu",
            "        shared.set(from.at(e), x[e]);\n    barrier();\n",
            "        shared.set(from.at(e), x[e]);\n",
        ),
        (
            "shared_index",
            "tile.cuh",
            "words.set(spread(u), value)",
            "words.set(spread(u) + 1, value)",
        ),
        (
            "global_index",
            "pointwise.cu",
            "out[at + i] = Op",
            "out[at + i + 1] = Op",
        ),
        (
            "divergent_barrier",
            "ntt.cu",
            "    if (work.omitted)\n        return;\n    RowTile",
            "    if (thread_in_block() == 1)\n        return;\n    RowTile",
        ),
    ];

    pub fn build() {
        let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
        for folder in ["cuda", "executor"] {
            println!("cargo::rerun-if-changed={folder}");
        }
        let mut scheduler = compiler(&root.join("executor"));
        scheduler.file(root.join("executor/executor.cpp"));
        scheduler.file(root.join("executor/fiber.cpp"));
        kernels(&root, &root.join("cuda"), "kernels");
        for (name, file, found, planted) in PLANTED {
            let sources = out.join(name);
            copy_with(&root.join("cuda"), &sources, (file, found, planted));
            kernels(&root, &sources, name);
        }
        // Last, since the linker looks for what the sets need behind them.
        scheduler.compile("ckks_executor");
    }

    fn kernels(root: &Path, sources: &Path, set: &str) {
        compiler(&root.join("executor"))
            .include(sources)
            .define("KERNEL_SET", format!("ckks_executor_{set}").as_str())
            .file(root.join("executor/kernels.cpp"))
            .compile(&format!("ckks_executor_{set}"));
    }

    fn compiler(include: &Path) -> cc::Build {
        let mut build = cc::Build::new();
        build
            .cpp(true)
            .std("c++17")
            .opt_level(2)
            .include(include)
            .flag("-Wno-unknown-pragmas");
        build
    }

    fn copy_with(from: &Path, to: &Path, (file, found, planted): (&str, &str, &str)) {
        std::fs::create_dir_all(to).expect("OUT_DIR can be written");
        for entry in std::fs::read_dir(from).expect("the sources are there") {
            let path = entry.expect("the sources are there").path();
            let name = path.file_name().expect("a file").to_owned();
            let mut text = std::fs::read_to_string(&path).expect("the sources are text");
            if name == file {
                assert_eq!(text.matches(found).count(), 1, "{file} has {found:?} once");
                text = text.replace(found, planted);
            }
            std::fs::write(to.join(name), text).expect("OUT_DIR can be written");
        }
    }
}
