/** Scripts of characters, as far as the rules for pieces need them. */

/** A script's number; two of them have a meaning of their own. */
export const INHERITED = 0;
export const COMMON = 1;

/** The scripts of Unicode by their names in regular expressions, frequent ones first. */
const NAMES =
  'Inherited Common Han Latin Cyrillic Arabic Greek Hangul Thai Hebrew Devanagari Bengali Tamil Telugu Kannada Malayalam Gujarati Gurmukhi Oriya Sinhala Georgian Armenian Ethiopic Khmer Lao Myanmar Tibetan Mongolian Bopomofo Yi Adlam Ahom Anatolian_Hieroglyphs Avestan Balinese Bamum Bassa_Vah Batak Bhaiksuki Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Coptic Cuneiform Cypriot Cypro_Minoan Deseret Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Glagolitic Gothic Grantha Gunjala_Gondi Hanifi_Rohingya Hanunoo Hatran Imperial_Aramaic Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khojki Khudawadi Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mro Multani Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tangsa Tangut Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Zanabazar_Square'.split(
    ' ',
  );

let patterns: readonly RegExp[] | undefined;

/**
 * The script of a code point as SentencePiece sees it: Hiragana, Katakana and the long vowel mark count as Han;
 * characters of scripts that are not listed count as common.
 */
export function scriptOf(codePoint: number): number {
  if (codePoint === 0x30fc) return HAN;
  patterns ??= NAMES.map((name) => new RegExp(`\\p{Script=${name}}`, 'u'));
  const character = String.fromCodePoint(codePoint);
  if (KANA.test(character)) return HAN;
  const script = patterns.findIndex((pattern) => pattern.test(character));
  return script < 0 ? COMMON : script;
}

const HAN = NAMES.indexOf('Han');
const KANA = /[\p{Script=Hiragana}\p{Script=Katakana}]/u;
