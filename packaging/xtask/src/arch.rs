//! The processor architectures that the project is built for, and what each is called by whom.

use anyhow::{Context, Result};

/// A processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit Intel and AMD.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

const ALL: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

impl Arch {
    /// The architecture of this machine.
    ///
    /// # Errors
    /// When the project is not built for it.
    pub fn host() -> Result<Self> {
        let name = std::env::consts::ARCH;
        ALL.into_iter()
            .find(|arch| arch.name() == name)
            .with_context(|| format!("there is no libtorch for {name}: {} are supported", names(Self::name)))
    }

    /// The architecture of a Rust target such as `aarch64-unknown-linux-gnu`.
    ///
    /// # Errors
    /// When the project is not built for it.
    pub fn of_target(target: &str) -> Result<Self> {
        ALL.into_iter()
            .find(|arch| arch.target() == target)
            .with_context(|| format!("nothing is built for the target {target}: choose {}", names(Self::target)))
    }

    /// The name that wheels, Rust and the kernel use.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Rust's name of the target.
    pub fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Debian's name of the architecture.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The name of a tool of GCC or binutils, such as `strip`, that handles programs of this architecture: a foreign
    /// one's has the architecture in front.
    pub fn tool(self, name: &str) -> String {
        if self.name() == std::env::consts::ARCH {
            name.to_owned()
        } else {
            format!("{}-linux-gnu-{name}", self.name())
        }
    }
}

fn names(name: fn(Arch) -> &'static str) -> String {
    ALL.map(name).join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_known_by_rusts_name() {
        for arch in ALL {
            assert_eq!(Arch::of_target(arch.target()).unwrap(), arch);
        }
        let error = Arch::of_target("riscv64gc-unknown-linux-gnu").unwrap_err().to_string();
        assert!(error.ends_with("choose x86_64-unknown-linux-gnu and aarch64-unknown-linux-gnu"), "{error}");
    }

    #[test]
    fn only_a_foreign_architectures_tools_have_its_name() {
        let host = Arch::host().unwrap();
        assert_eq!(host.tool("strip"), "strip");
        let foreign = ALL.into_iter().find(|arch| *arch != host).unwrap();
        assert_eq!(foreign.tool("strip"), format!("{}-linux-gnu-strip", foreign.name()));
    }
}
