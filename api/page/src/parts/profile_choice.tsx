import { useAnswer } from "../logic/asking";
import { ask } from "../logic/route";
import { USUAL_PROFILE } from "../logic/scores";

interface Profiles {
  profiles: { name: string }[];
}

/** By which rules errors are counted; only those that were applied can be chosen. */
export function ProfileChoice({ chosen }: { chosen: string | null }) {
  const { answer } = useAnswer<Profiles>("/profiles");
  const names = [...new Set([...(answer?.profiles ?? []).map((each) => each.name), chosen ?? USUAL_PROFILE])];
  return (
    <label title="Rules by which texts are normalised and errors counted; speech-tracker rescore --profile NAME applies another">
      Profile <select value={chosen ?? USUAL_PROFILE} onChange={(event) => ask({ profile: event.currentTarget.value === USUAL_PROFILE ? null : event.currentTarget.value })}>
        {names.map((each) => <option key={each} value={each}>{each}</option>)}
      </select>
    </label>
  );
}
