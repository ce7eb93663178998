"""Debian's fonts that the text models are trained on, and those kept for measuring: no family is in both lists."""

import pathlib
import random
import subprocess

# Package -> the faces taken from it. Left out everywhere: symbols, initials, small capitals (their "a" is labelled "a"
# and looks like "A") and hairline weights.
TRAINING = {
    "fonts-b612": ["B612*.otf"],
    "fonts-cabin": ["Cabin-*.otf"],
    "fonts-cantarell": ["Cantarell-[BELR]*.otf"],
    "fonts-comfortaa": ["Comfortaa-*.ttf"],
    "fonts-courier-prime": ["Courier Prime*.otf"],
    "fonts-crosextra-caladea": ["Caladea-*.ttf"],
    "fonts-crosextra-carlito": ["Carlito-*.ttf"],
    "fonts-dejavu-core": ["DejaVuSans*.ttf", "DejaVuSerif*.ttf"],
    "fonts-dejavu-extra": ["DejaVuSans*.ttf", "DejaVuSerif*.ttf"],
    "fonts-dosis": ["Dosis-*.otf"],
    "fonts-ebgaramond": ["EBGaramond*.otf"],
    "fonts-firacode": ["FiraCode-*.ttf"],
    "fonts-freefont-ttf": ["Free*.ttf"],
    "fonts-gfs-didot": ["GFSDidot*.otf"],
    "fonts-hack": ["Hack-*.ttf"],
    "fonts-inconsolata": ["Inconsolata*.otf"],
    "fonts-junicode": ["Junicode*.otf"],
    "fonts-lato": ["Lato-[BIMRS]*.ttf", "Lato-Heavy*.ttf", "Lato-Light*.ttf"],
    "fonts-league-spartan": ["LeagueSpartan-*.otf"],
    "fonts-liberation2": ["Liberation*.ttf"],
    "fonts-lmodern": ["lmmono1*.otf", "lmmonolt*.otf", "lmroman1*.otf", "lmroman9*.otf", "lmsans1*.otf"],
    "fonts-noto-core": ["NotoSans-*.ttf", "NotoSerif-*.ttf", "NotoSansDisplay-*.ttf", "NotoSerifDisplay-*.ttf"],
    "fonts-noto-mono": ["NotoSansMono-*.ttf"],
    "fonts-open-sans": ["OpenSans*.ttf"],
    "fonts-play": ["Play-*.*tf"],
    "fonts-quicksand": ["Quicksand-*.ttf"],
    "fonts-texgyre": ["texgyre*.otf"],
    "fonts-tuffy": ["Tuffy*.ttf"],
    "fonts-urw-base35": ["C059*.otf", "Nimbus*.otf", "P052*.otf", "URW*.otf"],
    "fonts-vollkorn": ["Vollkorn-*.ttf"],
}
HELD_OUT = {
    "fonts-fanwood": ["Fanwood*.otf"],
    "fonts-inter": ["Inter-[BEIMRS]*.otf"],
    "fonts-jetbrains-mono": ["JetBrainsMono-[BEMRS]*.ttf"],
    "fonts-linuxlibertine": ["LinLibertine_R*.otf", "LinBiolinum_R*.otf"],
    "fonts-mononoki": ["mononoki-*.ttf"],
    "fonts-roboto-unhinted": ["Roboto-[BIMR]*.ttf", "RobotoCondensed-*.ttf"],
    "fonts-sil-gentium": ["Gentium-*.ttf"],
    "fonts-sora": ["Sora-[BERS]*.otf"],
}
LEXICON = "wamerican"


def fetch(folder: pathlib.Path) -> None:
    """Downloads every package with apt and unpacks it below `folder`, once; installs nothing."""
    for package in sorted({*TRAINING, *HELD_OUT, LEXICON}):
        tree = folder / package
        if (tree / "usr").is_dir():
            continue
        tree.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=tree, check=True, stdout=subprocess.DEVNULL)
        archive = next(tree.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, tree], check=True)
        archive.unlink()


def faces(folder: pathlib.Path, packages: dict[str, list[str]]) -> list[list[str]]:
    """The font files of each package, in a fixed order."""
    found = []
    for package, patterns in packages.items():
        files = {str(path) for pattern in patterns for path in (folder / package).rglob(pattern)}
        files = sorted(path for path in files if not any(word in path for word in ("caps", "unsl", "dunh")))
        if not files:
            raise SystemExit(f"{package} has no face that matches {patterns}")
        found.append(files)
    return found


def pick(rng: random.Random, families: list[list[str]]) -> str:
    """A face: every package is as likely as every other."""
    return rng.choice(rng.choice(families))
