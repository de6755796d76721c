import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Me, SharedView } from "../logic/api";
import { moment } from "../logic/format";
import { address, followLinks } from "../logic/route";
import { applyTheme, theme, type Theme } from "../logic/theme";
import { NAVIGATION } from "../views";
import { MomentChoice, PastBanner } from "./moment_choice";
import { Search } from "./palette";
import { Share } from "./share";

interface Props {
  me: Me;
  current: string;
  signOut: () => void;
  children: ComponentChildren;
}

/** Navigation, theme and session around a view; around a shared one, what it is. */
export function Frame(props: Props) {
  useEffect(() => {
    document.addEventListener("click", followLinks);
    return () => document.removeEventListener("click", followLinks);
  }, []);
  return (
    <>
      <a class="skip" href="#view">Skip to the content</a>
      {props.me.share ? <SharedHeader share={props.me.share} /> : <Header {...props} />}
      <main id="view" tabIndex={-1}>{props.children}</main>
    </>
  );
}

function SharedHeader({ share }: { share: SharedView }) {
  return (
    <header class="frame">
      <span class="brand"><Mark />{share.name || "Speech experiments"}</span>
      <span class="grow" />
      <span class="quiet">
        Shared to read, {share.moment ? <>as it was <b>{moment(share.moment)}</b></> : "as it is now"}; ends {moment(share.expires_at)}
      </span>
      <ThemeChoice />
    </header>
  );
}

function Header({ me, current, signOut }: Props) {
  return (
    <>
      <header class="frame">
        <a class="brand" href={address("/")}><Mark />Speech experiments</a>
        <nav aria-label="Views">
          {NAVIGATION.map((each) => (
            <a key={each.name} href={address(each.path)} aria-current={each.name === current ? "page" : undefined}>{each.title}</a>
          ))}
        </nav>
        <span class="grow" />
        <Search />
        <a class="quiet" href="/docs">API</a>
        <Share me={me} />
        <MomentChoice />
        <ThemeChoice />
        <span class="who" title={`${me.actor}, role ${me.role}`}>{me.workspace} · {me.role}</span>
        <button type="button" class="plain" onClick={signOut}>Sign out</button>
      </header>
      <PastBanner />
    </>
  );
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const SIGNS: Record<Theme, string> = { system: "◐", light: "☀", dark: "☾" };

function ThemeChoice() {
  const [chosen, choose] = useState(theme());
  const change = () => {
    applyTheme(NEXT[chosen]);
    choose(NEXT[chosen]);
  };
  const words = chosen === "system" ? "as the system" : chosen;
  return (
    <button type="button" class="plain" onClick={change} aria-label={`Theme: ${words}`} title={`Theme: ${words}`}>
      {SIGNS[chosen]}
    </button>
  );
}

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#2b5fd9" />
      <path d="M6 16h2m3-5v10m4-14v18m4-15v12m4-8v4m3-2h0" stroke="#fff" stroke-width="2.4" stroke-linecap="round" fill="none" />
    </svg>
  );
}
