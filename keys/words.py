"""Digests as words that people read to each other, and passphrases that are drawn, never thought up.

The PGP word list (Juola and Zimmermann, 1995): 256 words of two syllables for bytes in even places and 256 of three
syllables for odd ones, chosen to sound unlike each other. So a word that is dropped, doubled or swapped is noticed.
"""

from collections.abc import Iterable
from typing import Final

EVEN: Final = tuple(
    """
    aardvark absurd accrue acme adrift adult afflict ahead aimless algol allow alone ammo ancient apple artist
    assume athens atlas aztec baboon backfield backward banjo beaming bedlamp beehive beeswax befriend belfast
    berserk billiard bison blackjack blockade blowtorch bluebird bombast bookshelf brackish breadline breakup
    brickyard briefcase burbank button buzzard cement chairlift chatter checkup chisel choking chopper christmas
    clamshell classic classroom cleanup clockwork cobra commence concert cowbell crackdown cranky crowfoot
    crucial crumpled crusade cubic dashboard deadbolt deckhand dogsled dragnet drainage dreadful drifter dropper
    drumbeat drunken dupont dwelling eating edict egghead eightball endorse endow enlist erase escape exceed
    eyeglass eyetooth facial fallout flagpole flatfoot flytrap fracture framework freedom frighten gazelle
    geiger glitter glucose goggles goldfish gremlin guidance hamlet highchair hockey indoors indulge inverse
    involve island jawbone keyboard kickoff kiwi klaxon locale lockup merit minnow miser mohawk mural music
    necklace neptune newborn nightbird oakland obtuse offload optic orca payday peachy pheasant physique
    playhouse pluto preclude prefer preshrunk printer prowler pupil puppy python quadrant quiver quota ragtime
    ratchet rebirth reform regain reindeer rematch repay retouch revenge reward rhythm ribcage ringbolt robust
    rocker ruffled sailboat sawdust scallion scenic scorecard scotland seabird select sentence shadow shamrock
    showgirl skullcap skydive slingshot slowdown snapline snapshot snowcap snowslide solo southward soybean
    spaniel spearhead spellbind spheroid spigot spindle spyglass stagehand stagnate stairway standard stapler
    steamship sterling stockman stopwatch stormy sugar surmount suspense sweatband swelter tactics talon
    tapeworm tempest tiger tissue tonic topmost tracker transit trauma treadmill trojan trouble tumor tunnel
    tycoon uncut unearth unwind uproot upset upshot vapor village virus vulcan waffle wallet watchword wayside
    willow woodlark zulu
    """.split()  # noqa: SIM905 - a list of words reads as one
)
ODD: Final = tuple(
    """
    adroitness adviser aftermath aggregate alkali almighty amulet amusement antenna applicant apollo armistice
    article asteroid atlantic atmosphere autopsy babylon backwater barbecue belowground bifocals bodyguard
    bookseller borderline bottomless bradbury bravado brazilian breakaway burlington businessman butterfat
    camelot candidate cannonball capricorn caravan caretaker celebrate cellulose certify chambermaid cherokee
    chicago clergyman coherence combustion commando company component concurrent confidence conformist
    congregate consensus consulting corporate corrosion councilman crossover crucifix cumbersome customer dakota
    decadence december decimal designing detector detergent determine dictator dinosaur direction disable
    disbelief disruptive distortion document embezzle enchanting enrollment enterprise equation equipment
    escapade eskimo everyday examine existence exodus fascinate filament finicky forever fortitude frequency
    gadgetry galveston getaway glossary gossamer graduate gravity guitarist hamburger hamilton handiwork
    hazardous headwaters hemisphere hesitate hideaway holiness hurricane hydraulic impartial impetus inception
    indigo inertia infancy inferno informant insincere insurgent integrate intention inventive istanbul jamaica
    jupiter leprosy letterhead liberty maritime matchmaker maverick medusa megaton microscope microwave
    midsummer millionaire miracle misnomer molasses molecule montana monument mosquito narrative nebula
    newsletter norwegian october ohio onlooker opulent orlando outfielder pacific pandemic pandora paperweight
    paragon paragraph paramount passenger pedigree pegasus penetrate perceptive performance pharmacy phonetic
    photograph pioneer pocketful politeness positive potato processor provincial proximate puberty publisher
    pyramid quantity racketeer rebellion recipe recover repellent replica reproduce resistor responsive
    retraction retrieval retrospect revenue revival revolver sandalwood sardonic saturday savagery scavenger
    sensation sociable souvenir specialist speculate stethoscope stupendous supportive surrender suspicious
    sympathy tambourine telephone therapist tobacco tolerance tomorrow torpedo tradition travesty trombonist
    truncated typewriter ultimate undaunted underfoot unicorn unify universe unravel upcoming vacancy vagabond
    vertigo virginia visitor vocalist voyager warranty waterloo whimsical wichita wilmington wyoming yesteryear
    yucatan
    """.split()  # noqa: SIM905 - a list of words reads as one
)
_LISTS: Final = (EVEN, ODD)
_NUMBERS: Final = tuple({word: number for number, word in enumerate(each)} for each in _LISTS)
PASSPHRASE_WORDS: Final = 12
"""96 bits: each word is one byte of randomness."""
_LIKE_DRAWN: Final = 9  # words; nobody thinks up so many of which most are in the list


class NotTheWords(ValueError):
    """Words that are no bytes: ``place`` counts from 1 and is the first that cannot stand there. The word itself is not
    told, for it may be of a passphrase.
    """

    def __init__(self, place: int, why: str) -> None:
        super().__init__(f"word {place} {why}")
        self.place = place


def words(data: bytes) -> tuple[str, ...]:
    """One word for each byte."""
    return tuple(_LISTS[place % 2][byte] for place, byte in enumerate(data))


def is_word(word: str, place: int) -> bool:
    """Whether this can be the word in a place; the first place is 0."""
    return word in _NUMBERS[place % 2]


def data_of(said: Iterable[str]) -> bytes:
    """The inverse of ``words``; capitals do not matter. NotTheWords says which place is wrong."""
    return bytes(_byte(word.lower(), place) for place, word in enumerate(said))


def drawn_passphrase(drawn: bytes) -> str:
    """A passphrase of one word for each of the first twelve bytes of fresh randomness."""
    assert len(drawn) >= PASSPHRASE_WORDS, "a passphrase of fewer words"
    return " ".join(words(drawn[:PASSPHRASE_WORDS]))


def spelled(passphrase: str) -> str:
    """A passphrase as it was drawn, however it was typed."""
    return " ".join(passphrase.lower().split())


def slip(passphrase: str) -> str | None:
    """What is wrong with a passphrase that looks drawn, before any work is spent on it; None if nothing is seen, or if
    somebody thought it up.
    """
    said = spelled(passphrase).split()
    known = sum(is_word(word, 0) or is_word(word, 1) for word in said)
    if len(said) < _LIKE_DRAWN or known <= len(said) // 2:
        return None
    try:
        data_of(said)
    except NotTheWords as error:
        return str(error)
    return None if len(said) == PASSPHRASE_WORDS else f"it has {len(said)} words; a drawn one has {PASSPHRASE_WORDS}"


def _byte(word: str, place: int) -> int:
    if is_word(word, place):
        return _NUMBERS[place % 2][word]
    if is_word(word, place + 1):
        raise NotTheWords(place + 1, "cannot stand there: before it a word was dropped, doubled or swapped")
    raise NotTheWords(place + 1, "is not in the list")
