"""Strings to render: words, sentences' pieces, numbers, prices, dates, codes, addresses, and plain jumbles."""

import pathlib
import random
import string

# What the reader can read; class 0 of its output is the blank, class i the (i - 1)th of these.
ALPHABET = string.ascii_lowercase + string.ascii_uppercase + string.digits + " !\"#$%&'()*+,-./:;<=>?@[]_"

UPPER_DIGITS = string.ascii_uppercase + string.digits


class Lexicon:
    """Words of Debian's word list, split so that no word of the held-out part is trained on."""

    def __init__(self, folder: pathlib.Path, held_out: bool):
        lines = (folder / "wamerican/usr/share/dict/american-english").read_text("utf-8").split()
        words = [word for word in lines if word.isascii() and not word.endswith("'s")]
        random.Random(1).shuffle(words)
        cut = len(words) // 10
        self.words = words[:cut] if held_out else words[cut:]

    def line(self, rng: random.Random, longest: int) -> tuple[str, bool]:
        """One line of text of at most `longest` characters, and whether it is a jumble."""
        makers = (
            (34, self._words), (10, self._sentence), (8, _price), (9, _number), (7, _date), (9, _code),
            (5, _address), (6, self._labelled), (12, _jumble),
        )
        weights = [weight for weight, _ in makers]
        while True:
            maker = rng.choices(makers, weights)[0][1]
            text = maker(rng)
            text = " ".join(text[:longest].split())
            if text and all(letter in ALPHABET for letter in text):
                return text, maker is _jumble

    def _word(self, rng: random.Random) -> str:
        word = rng.choice(self.words)
        style = rng.random()
        if style < 0.28:
            return word.upper()
        if style < 0.5:
            return word.capitalize()
        return word

    def _words(self, rng: random.Random) -> str:
        count = rng.choices((1, 2, 3, 4), (40, 34, 18, 8))[0]
        if rng.random() < 0.3:
            return " ".join(rng.choice(self.words) for _ in range(count)).upper()
        return " ".join(self._word(rng) for _ in range(count))

    def _sentence(self, rng: random.Random) -> str:
        words = [rng.choice(self.words) for _ in range(rng.randint(2, 5))]
        words[0] = words[0].capitalize()
        at = rng.randrange(len(words))
        words[at] = rng.choice(("{},", "{}:", "({})", '"{}"', "{};", "{}'s", "{} -", "{} &", "{}/", "{}", "[{}]")).format(words[at])
        return " ".join(words) + rng.choice((".", "!", "?", "", "...", ":"))

    def _labelled(self, rng: random.Random) -> str:
        value = rng.choice((_number, _price, _code, _date))(rng)
        return self._word(rng) + rng.choice((": ", " ", " = ", " #", "-")) + value


def _price(rng: random.Random) -> str:
    value = f"{rng.choice((rng.randint(0, 99), rng.randint(0, 9999)))}.{rng.randint(0, 99):02d}"
    return rng.choice(("${}", "{} EUR", "{}$", "USD {}", "{}", "$ {}", "-{}%")).format(value)


def _number(rng: random.Random) -> str:
    digits = "".join(rng.choice(string.digits) for _ in range(rng.choices((1, 2, 3, 4, 6, 8, 10), (4, 8, 8, 8, 5, 4, 2))[0]))
    return rng.choice(("{}", "{}", "{}", "#{}", "+{}", "-{}", "{}%", "{},5", "{}.0", "No. {}", "({})", "*{}*", "{} kg",
                       "{} km/h", "{} W", "<{}", ">{}", "{} ml", "= {}")).format(digits)


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 31), rng.randint(1, 12), rng.randint(1950, 2049)
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return rng.choice((
        f"{year}-{month:02d}-{day:02d}", f"{day:02d}/{month:02d}/{year}", f"{day}.{month}.{year}",
        f"{names[month - 1]} {day}, {year}", f"{day} {names[month - 1]} {year}",
        f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}", f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}",
    ))


def _code(rng: random.Random) -> str:
    parts = ["".join(rng.choice(UPPER_DIGITS) for _ in range(rng.randint(2, 6))) for _ in range(rng.randint(1, 3))]
    return rng.choice(("-", "-", "", " ", "/", "_", ".")).join(parts)


def _address(rng: random.Random) -> str:
    def name(longest: int) -> str:
        return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, longest)))

    end = rng.choice((".com", ".org", ".net", ".de", ".io"))
    return rng.choice((f"www.{name(8)}{end}", f"{name(6)}@{name(6)}{end}", f"http://{name(6)}{end}",
                       ".".join(str(rng.randint(0, 255)) for _ in range(4))))


def _jumble(rng: random.Random) -> str:
    """Any characters in any order: so that the rare ones are seen, and the spelling is not all that is learned."""
    return "".join(rng.choice(ALPHABET) for _ in range(rng.randint(2, 14)))
