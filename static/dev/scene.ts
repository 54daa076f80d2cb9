/** The demo community of the design reference, in English and Arabic. */
import type {Scene} from "./fake";

const at = (clock: string, days = 0): number => {
  const [hour, minute] = clock.split(":").map(Number);
  const day = new Date();
  day.setDate(day.getDate() - days);
  day.setHours(hour!, minute!, 0, 0);
  return day.getTime();
};

export function scene(ar = false): Scene {
  const t = (en: string, arabic: string): string => (ar ? arabic : en);
  return {
    me: {id: "maren", name: t("Maren Whitlock", "مارِن وِتلوك"), avatar: null, role: "member"},
    show: "chat", status: t("Outside until 2 am", "في الخارج حتى الثانية"),
    members: {
      aiko: {name: t("Aiko Morita", "أيكو موريتا"), show: "chat", status: t("Ask me about guiding", "اسألوني عن التوجيه")},
      ingrid: {name: t("Ingrid Solberg", "إنغريد سولبرغ"), show: "online"},
      kwame: {name: t("Kwame Boateng", "كوامي بواتنغ"), show: "online", status: t("Stacking 412 frames…", "أرصّ ٤١٢ لقطة…")},
      priya: {name: t("Priya Raman", "بريا رامان"), show: "dnd", status: t("Imaging run, back at 1", "تصوير، أعود في الواحدة")},
      siobhan: {name: t("Siobhán Byrne", "شيفون بيرن"), show: "online", status: t("First light tonight!", "أول ضوء الليلة!")},
      tomas: {name: t("Tomás Herrera", "توماس هيريرا"), show: "online", status: t("Saturn until the clouds come", "زحل حتى تأتي الغيوم")},
      leilani: {name: t("Leilani Kahale", "ليلاني كاهالي"), show: "xa", status: t("Gone to fetch the kids", "ذهبت لإحضار الأولاد")},
      mateusz: {name: t("Mateusz Zieliński", "ماتيوش جيلينسكي"), show: "away"},
      yusuf: {name: t("Yusuf Demir", "يوسف دمير"), show: "away"},
      seun: {name: t("Oluwaseun Adeyemi", "أولوواسيون أدييمي"), show: "online", status: t("Looking for a 2\" diagonal", "أبحث عن مرآة قطرية")},
      anh: {name: "Nguyễn Minh Anh", show: "offline", since: Date.now() - 3 * 3_600_000},
      chloe: {name: "Chloé Lefèvre", show: "online"},
      dmitri: {name: "Dmitri Sokolov", show: "offline", since: Date.now() - 86_400_000},
    },
    conversations: [
      {id: "tomas", with: "tomas", seen: 4, typing: ["tomas"], messages: [
        {from: "tomas", body: t("https://porchlight.example/saturn", "https://porchlight.example/saturn"), time: at("21:33")},
        {from: "tomas", body: t("Cassini gap, through the 8-inch!", "فجوة كاسيني بتلسكوب ٨ بوصات!"), time: at("21:34")},
        {from: "maren", body: t("Oh that is crisp", "صورة نقية جدًا"), time: at("21:35")},
        {from: "maren", body: "🪐", time: at("21:35")},
      ]},
      {id: "leonids", name: t("Leonids night", "ليلة الأسديات"), members: ["maren", "aiko", "kwame", "siobhan", "tomas", "mateusz", "anh"], unread: 2, typing: ["aiko", "siobhan"], messages: [
        {from: "aiko", body: t("Cloud clears from the west around 23:00", "تنقشع الغيوم من الغرب نحو ٢٣:٠٠"), time: at("21:28")},
        {from: "aiko", body: t("Three seats left in the van", "عندي مكان لثلاثة في السيارة"), time: at("21:28"), reactions: {"🙌": ["maren", "kwame", "tomas", "siobhan"], "☕": ["anh", "tomas"]}},
        {from: "kwame", body: t("@Maren do you still have the red headlamps?", "@مارِن هل ما زالت عندك المصابيح الحمراء؟"), time: at("21:40")},
        {from: "kwame", body: t("Bringing flasks and the good biscuits", "سأحضر الشاي والبسكويت"), time: at("21:40")},
      ]},
      {id: "priya", with: "priya", messages: [
        {from: "priya", body: t("Try this before you refocus:", "جرّبي هذا قبل ضبط البؤرة:"), time: at("21:11")},
        {from: "priya", body: "```\nhfr = star.hfr(frame)\nif hfr > 2.4: focus()\n```", time: at("21:12")},
        {from: "maren", body: t("Works! HFR went from 3.1 to 1.9", "نجحت! من ٣٫١ إلى ١٫٩"), time: at("21:20")},
      ]},
      {id: "seun", with: "seun", unread: 3, messages: [
        {from: "seun", body: t("Would you part with the 32 mm Plössl?", "هل تبيعين عدسة ٣٢ مم؟"), time: at("21:38")},
        {from: "seun", body: "?", time: at("21:38")}, {from: "seun", body: t("Would you part with the 32 mm Plössl?", "هل تبيعين عدسة ٣٢ مم؟"), time: at("21:38")},
      ]},
      {id: "siobhan", with: "siobhan", messages: [{from: "siobhan", body: t("First light!", "أول ضوء!"), time: at("19:02")}]},
      {id: "mateusz", with: "mateusz", messages: [{from: "mateusz", body: t("Is the gate open?", "هل البوابة مفتوحة؟"), time: at("20:40", 2)}, {from: "maren", body: t("see you on the hill then", "نلتقي على التل إذن"), time: at("20:41", 2)}]},
      {id: "anh", with: "anh", messages: [{from: "anh", body: t("my finder, upside down", "منظاري مقلوبًا"), time: at("12:00", 3)}]},
    ],
    tabs: [{conversation: "priya", state: "open"}, {conversation: "leonids", state: "open"}, {conversation: "tomas", state: "open"}, {conversation: "seun", state: "minimized"}],
  };
}
