"""What stands on the pages of Porchlight Astronomy."""

from dataclasses import dataclass, field

from avchat.demo.people import BY_ID, Person


@dataclass(frozen=True, slots=True)
class Post:
    """A post below a topic."""

    by: Person
    ago: str
    text: list[str]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the forum."""

    slug: str
    title: str
    arabic: str
    by: Person
    room: str
    room_arabic: str
    ago: str
    ago_arabic: str
    replies: int
    last: Person
    posts: list[Post] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the gallery."""

    file: str
    title: str
    by: Person
    with_what: str
    alt: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the observing log."""

    when: str
    by: Person
    place: str
    seen: str
    text: str


@dataclass(frozen=True, slots=True)
class MeetUp:
    """An evening outside, together."""

    day: str
    month: str
    title: str
    place: str
    when: str
    text: str
    by: Person
    coming: list[Person]


P = BY_ID

TOPICS = [
    Topic("first-light", 'First light with a second-hand 8" Dobsonian', "أول ضوء بتلسكوب دوبسوني مستعمل", P["siobhan"],
          "Beginners", "للمبتدئين", "12 min ago", "قبل ١٢ دقيقة", 41, P["tomas"], [
              Post(P["siobhan"], "2 h ago", [
                  "It came in the back of a hatchback, wrapped in two duvets, and it works. I pointed it at the brightest "
                  "thing over the chimney and there were stripes on it. Stripes!",
                  "Three questions before I freeze: is that shadow on the right real, why does it drift out of view so fast, "
                  "and how do I keep the cat from sleeping in the tube?",
              ]),
              Post(P["tomas"], "1 h ago", [
                  "Congratulations, that is Jupiter, and the shadow is one of its moons crossing. You picked a good night.",
                  "It drifts because we do. Start at the edge of the field and let it cross: you get the longest look that "
                  "way, and your knees a rest.",
              ]),
              Post(P["aiko"], "54 min ago", [
                  "Let the mirror cool for half an hour with the cap off. Most “bad optics” are warm optics.",
              ]),
              Post(P["ingrid"], "40 min ago", [
                  "About the cat: a shower cap fits an 8-inch exactly. Ask me how I know.",
              ]),
              Post(P["tomas"], "12 min ago", [
                  "Saturn clears your roof around eleven. I am on chat if you want somebody to find it with.",
              ]),
          ]),
    Topic("red-light", "Red light or no light: let us settle the headlamp question", "ضوء أحمر أم بلا ضوء: لنحسم مسألة المصابيح",
          P["yusuf"], "Gear", "المعدّات", "40 min ago", "قبل ٤٠ دقيقة", 118, P["aiko"], [
              Post(P["yusuf"], "yesterday", [
                  "Every meet-up the same: somebody turns round with a headlamp and forty minutes of dark adaptation are gone. "
                  "I propose: red, dim, pointing down, or pocket.",
              ]),
              Post(P["farah"], "5 h ago", ["Red paint chips off. Two layers of tail-light tape do not."]),
              Post(P["aiko"], "40 min ago", ["Seconded. And car doors: find the switch of the inside light before you come."]),
          ]),
    Topic("m31", "M31 from a Bortle 6 garden, 9 hours of data", "أندروميدا من حديقة مضيئة، ٩ ساعات", P["kwame"], "Gallery", "المعرض",
          "1 h ago", "قبل ساعة", 63, P["priya"], [
              Post(P["kwame"], "6 h ago", [
                  "Nine hours over four nights, 412 frames kept, 60 s each. The street lamp helped as little as it could.",
              ]),
              Post(P["priya"], "1 h ago", ["The dust lanes! Which version of the focus script is that?"]),
          ]),
    Topic("shed", "Shed observatory build log, week 14: the roof rolls", "يوميات بناء المرصد، الأسبوع ١٤", P["ingrid"], "Build logs",
          "البناء", "2 h ago", "قبل ساعتين", 227, P["leilani"], [
              Post(P["ingrid"], "2 days ago", ["It rolls. It rolls back, too, which is more than I could say last week."]),
              Post(P["leilani"], "2 h ago", ["Does it squeak? Mine squeaked until I found bicycle wax."]),
          ]),
    Topic("tonight", "What you saw tonight, 21 November", "ماذا رأيتم الليلة، ٢١ نوفمبر", P["mateusz"], "Observing log", "سجل الرصد",
          "3 h ago", "قبل ٣ ساعات", 35, P["mateusz"], [
              Post(P["mateusz"], "3 h ago", ["Cloud until nine, then a hole over the allotments. Two Leonids in ten minutes."]),
          ]),
    Topic("dew", "Dew heaters that do not eat the battery", "سخّانات ندى لا تستهلك البطارية", P["farah"], "Gear", "المعدّات", "5 h ago",
          "قبل ٥ ساعات", 52, P["farah"], [
              Post(P["farah"], "5 h ago", ["Half the power for twice the time. Numbers and a wiring sketch are below."]),
          ]),
    Topic("finder", "Is my finder scope upside down, or am I?", "هل منظاري مقلوب أم أنا؟", P["minh-anh"], "Beginners", "للمبتدئين",
          "6 h ago", "قبل ٦ ساعات", 19, P["siobhan"], [
              Post(P["minh-anh"], "yesterday", ["Everything moves the wrong way. I have started to walk like that."]),
              Post(P["siobhan"], "6 h ago", ["Both, in my case."]),
          ]),
    Topic("sketching", "Sketching Jupiter: pencil, red torch, patience", "رسم المشتري: قلم ومصباح أحمر وصبر", P["leilani"], "Gallery",
          "المعرض", "yesterday", "أمس", 28, P["aiko"], [
              Post(P["leilani"], "yesterday", ["Twenty minutes at the eyepiece before the first line. Then the belts come by themselves."]),
          ]),
    Topic("car-park", "Car park etiquette at Hollin Hill (please read)", "آداب موقف السيارات", P["ingrid"], "Meet-ups", "اللقاءات",
          "yesterday", "أمس", 74, P["yusuf"], [
              Post(P["ingrid"], "yesterday", ["Park nose out, no headlights after nine, and take your flask home with you."]),
          ]),
]  # fmt: skip
BY_SLUG = {topic.slug: topic for topic in TOPICS}

PICTURES = [
    Picture("sky-saturn.svg", "Cassini gap", P["tomas"], "8-inch Dobsonian, phone at the eyepiece", "Saturn and its rings"),
    Picture("sky-andromeda.svg", "M31, nine hours", P["kwame"], "71 mm refractor, 412 × 60 s", "The Andromeda galaxy"),
    Picture("sky-moon.svg", "Tycho at the terminator", P["yusuf"], "127 mm Maksutov", "The Moon, a few days before it is full"),
    Picture("sky-pleiades.svg", "The Sisters", P["priya"], "135 mm lens, 2 h", "The Pleiades in their blue haze"),
    Picture("sky-jupiter.svg", "Red spot, 23:40", P["leilani"], "Pencil, then pixels", "Jupiter with its belts and four moons"),
    Picture("sky-trails.svg", "Three hours over Hollin Hill", P["chloe"], "24 mm lens, 360 frames", "Star trails above pines"),
    Picture("sky-shed.svg", "Week 14", P["ingrid"], "Hammer, mostly", "A garden shed with a dome and a red window"),
]

ENTRIES = [
    Entry("21 November, 21:10", P["mateusz"], "Northmoor", "Leonids", "Cloud until nine, then a hole over the allotments. "
          "Two in ten minutes, one with a train that stayed for three breaths."),
    Entry("20 November, 23:40", P["leilani"], "Back garden", "Jupiter", "Red spot on the meridian. The north belt is double "
          "again, and a festoon hangs from it."),
    Entry("20 November, 22:15", P["siobhan"], "Balcony", "Moon", "My first crater with a name: Copernicus. It has terraces, like "
          "a stadium."),
    Entry("19 November, 20:30", P["dmitri"], "Northmoor", "R Leonis", "Estimated 7.4. Slowly brighter, as it should be."),
    Entry("18 November, 23:05", P["chloe"], "Hollin Hill", "M45", "Binoculars and the deck chair. Counted eleven without them."),
]  # fmt: skip

MEET_UPS = [
    MeetUp("28", "Nov", "Hollin Hill evening", "Hollin Hill car park", "Saturday, 20:30", "Bring a chair and a hot drink. Four "
           "telescopes are coming, and everybody may look through all of them.", P["ingrid"],
           [P["maren"], P["tomas"], P["aiko"], P["kwame"], P["yusuf"], P["siobhan"], P["chloe"]]),
    MeetUp("5", "Dec", "Mirror washing day", "Maren’s kitchen", "Saturday, 14:00", "Tepid water, cotton, courage. We have not "
           "lost a mirror yet.", P["maren"], [P["oluwaseun"], P["farah"], P["leilani"]]),
    MeetUp("13", "Dec", "Geminids, all night", "Hollin Hill car park", "Sunday, 21:00", "The good ones. Sleeping bags, nose out, "
           "no headlights.", P["yusuf"], [P["maren"], P["mateusz"], P["priya"], P["dmitri"], P["minh-anh"]]),
]  # fmt: skip
