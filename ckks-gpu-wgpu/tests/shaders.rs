//! Every shader is valid WGSL without any extension, on any machine: no driver is asked.

use ckks_gpu_wgpu::kernels::PROGRAMS;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// Sizes of workgroups and tiles that an adapter may want.
const SIZES: [(u32, u32); 3] = [(256, 12), (128, 11), (32, 9)];

fn validate(source: &str, capabilities: Capabilities) -> Result<naga::Module, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    Ok(module)
}

#[test]
fn every_shader_is_portable() {
    for program in PROGRAMS {
        for (threads, log_tile) in SIZES {
            let source = program.source(false, threads, log_tile);
            let module = validate(&source, Capabilities::empty())
                .unwrap_or_else(|error| panic!("{}: {error}", program.name));
            let entries: Vec<_> = module
                .entry_points
                .iter()
                .map(|e| e.name.as_str())
                .collect();
            assert_eq!(entries, program.kernels, "{}", program.name);
            let buffers = module
                .global_variables
                .iter()
                .filter(|(_, global)| matches!(global.space, naga::AddressSpace::Storage { .. }));
            // The default limit of storage buffers a stage.
            assert!(buffers.count() <= 8, "{}", program.name);
        }
    }
}

/// The path through 64-bit integers needs them, so that a mistake in the choice would show; nothing
/// else.
#[test]
fn long_products_need_only_long_integers() {
    for program in PROGRAMS {
        let source = program.source(true, 256, 12);
        validate(&source, Capabilities::SHADER_INT64)
            .unwrap_or_else(|error| panic!("{}: {error}", program.name));
        assert!(validate(&source, Capabilities::empty()).is_err());
    }
}
