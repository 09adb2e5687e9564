"""Words for bytes, to be read aloud: the PGP word list (Zimmermann and Juola, 1995), which ICANN's ceremonies use too.

A byte at an even place is a word of two syllables, one at an odd place a word of three: whoever drops, doubles or swaps
a word is heard. 32 words are a SHA-256. The same words, drawn at random, are the passphrase of a key file.
"""

from collections.abc import Iterable
from typing import Final

PASSPHRASE_WORDS: Final = 12
"""96 bits: each word is one byte of randomness."""

_TWO: Final = """
    aardvark absurd accrue acme adrift adult afflict ahead aimless Algol allow alone ammo ancient apple artist assume
    Athens atlas Aztec baboon backfield backward banjo beaming bedlamp beehive beeswax befriend Belfast berserk
    billiard bison blackjack blockade blowtorch bluebird bombast bookshelf brackish breadline breakup brickyard
    briefcase Burbank button buzzard cement chairlift chatter checkup chisel choking chopper Christmas clamshell
    classic classroom cleanup clockwork cobra commence concert cowbell crackdown cranky crowfoot crucial crumpled
    crusade cubic dashboard deadbolt deckhand dogsled dragnet drainage dreadful drifter dropper drumbeat drunken
    Dupont dwelling eating edict egghead eightball endorse endow enlist erase escape exceed eyeglass eyetooth facial
    fallout flagpole flatfoot flytrap fracture framework freedom frighten gazelle Geiger glitter glucose goggles
    goldfish gremlin guidance hamlet highchair hockey indoors indulge inverse involve island jawbone keyboard kickoff
    kiwi klaxon locale lockup merit minnow miser Mohawk mural music necklace Neptune newborn nightbird Oakland obtuse
    offload optic orca payday peachy pheasant physique playhouse Pluto preclude prefer preshrunk printer prowler pupil
    puppy python quadrant quiver quota ragtime ratchet rebirth reform regain reindeer rematch repay retouch revenge
    reward rhythm ribcage ringbolt robust rocker ruffled sailboat sawdust scallion scenic scorecard Scotland seabird
    select sentence shadow shamrock showgirl skullcap skydive slingshot slowdown snapline snapshot snowcap snowslide
    solo southward soybean spaniel spearhead spellbind spheroid spigot spindle spyglass stagehand stagnate stairway
    standard stapler steamship sterling stockman stopwatch stormy sugar surmount suspense sweatband swelter tactics
    talon tapeworm tempest tiger tissue tonic topmost tracker transit trauma treadmill Trojan trouble tumor tunnel
    tycoon uncut unearth unwind uproot upset upshot vapor village virus Vulcan waffle wallet watchword wayside willow
    woodlark Zulu
"""
_THREE: Final = """
    adroitness adviser aftermath aggregate alkali almighty amulet amusement antenna applicant Apollo armistice article
    asteroid Atlantic atmosphere autopsy Babylon backwater barbecue belowground bifocals bodyguard bookseller
    borderline bottomless Bradbury bravado Brazilian breakaway Burlington businessman butterfat Camelot candidate
    cannonball Capricorn caravan caretaker celebrate cellulose certify chambermaid Cherokee Chicago clergyman
    coherence combustion commando company component concurrent confidence conformist congregate consensus consulting
    corporate corrosion councilman crossover crucifix cumbersome customer Dakota decadence December decimal designing
    detector detergent determine dictator dinosaur direction disable disbelief disruptive distortion document embezzle
    enchanting enrollment enterprise equation equipment escapade Eskimo everyday examine existence exodus fascinate
    filament finicky forever fortitude frequency gadgetry Galveston getaway glossary gossamer graduate gravity
    guitarist hamburger Hamilton handiwork hazardous headwaters hemisphere hesitate hideaway holiness hurricane
    hydraulic impartial impetus inception indigo inertia infancy inferno informant insincere insurgent integrate
    intention inventive Istanbul Jamaica Jupiter leprosy letterhead liberty maritime matchmaker maverick Medusa
    megaton microscope microwave midsummer millionaire miracle misnomer molasses molecule Montana monument mosquito
    narrative nebula newsletter Norwegian October Ohio onlooker opulent Orlando outfielder Pacific pandemic Pandora
    paperweight paragon paragraph paramount passenger pedigree Pegasus penetrate perceptive performance pharmacy
    phonetic photograph pioneer pocketful politeness positive potato processor provincial proximate puberty publisher
    pyramid quantity racketeer rebellion recipe recover repellent replica reproduce resistor responsive retraction
    retrieval retrospect revenue revival revolver sandalwood sardonic Saturday savagery scavenger sensation sociable
    souvenir specialist speculate stethoscope stupendous supportive surrender suspicious sympathy tambourine telephone
    therapist tobacco tolerance tomorrow torpedo tradition travesty trombonist truncated typewriter ultimate undaunted
    underfoot unicorn unify universe unravel upcoming vacancy vagabond vertigo Virginia visitor vocalist voyager
    warranty Waterloo whimsical Wichita Wilmington Wyoming yesteryear Yucatan
"""
TWO_SYLLABLES: Final = tuple(_TWO.split())
THREE_SYLLABLES: Final = tuple(_THREE.split())
_LISTS: Final = (TWO_SYLLABLES, THREE_SYLLABLES)
_BYTES: Final = tuple({word.lower(): byte for byte, word in enumerate(listed)} for listed in _LISTS)


class NotTheWords(ValueError):
    """Words that are no bytes: ``place`` counts from 1 and is the first that cannot stand there, ``why`` says it. The
    word itself is not told, for it may be of a passphrase.
    """

    def __init__(self, place: int, why: str) -> None:
        super().__init__(f"word {place} {why}")
        self.place = place
        self.why = why


def words(data: bytes) -> tuple[str, ...]:
    """One word for each byte, in the published spelling."""
    return tuple(_LISTS[place % 2][byte] for place, byte in enumerate(data))


def data_of(spoken: Iterable[str]) -> bytes:
    """The inverse of ``words``; capitals do not matter. NotTheWords says which place is wrong."""
    return bytes(_byte(place, word.lower()) for place, word in enumerate(spoken))


def drawn_passphrase(random: bytes) -> str:
    """Twelve words in lower case, made of the first twelve bytes of fresh randomness."""
    assert len(random) >= PASSPHRASE_WORDS, "a passphrase of fewer words"
    return " ".join(words(random[:PASSPHRASE_WORDS])).lower()


def typed_passphrase(typed: str) -> str:
    """A drawn passphrase as it was drawn, however its words were spaced or capitalised. NotTheWords for anything else,
    so that a slip of the finger costs no key derivation.
    """
    found = typed.lower().split()
    data_of(found)
    if len(found) != PASSPHRASE_WORDS:
        what = "is missing" if len(found) < PASSPHRASE_WORDS else "is one too many"
        place = min(len(found), PASSPHRASE_WORDS) + 1
        raise NotTheWords(place, f"{what}: a drawn passphrase has {PASSPHRASE_WORDS} words, not {len(found)}")
    return " ".join(found)


def _byte(place: int, word: str) -> int:
    own, other = _BYTES[place % 2], _BYTES[(place + 1) % 2]
    if word in own:
        return own[word]
    if word in other:
        raise NotTheWords(place + 1, "cannot stand there: a word before it was dropped, doubled or swapped")
    raise NotTheWords(place + 1, "is not of the list")
