import { VoiceCall } from "@/components/voice-call";

export default function Page() {
  return <VoiceCall />;
}
