import type { NotifierDefinition } from '../core/notifier.ts';
import { alertmanagerNotifier } from './alertmanager.ts';
import { appriseNotifier } from './apprise.ts';
import { consoleNotifier } from './console.ts';
import { discordNotifier } from './discord.ts';
import { emailNotifier } from './email.ts';
import { gotifyNotifier } from './gotify.ts';
import { lokiNotifier } from './loki.ts';
import { matrixNotifier } from './matrix.ts';
import { mattermostNotifier } from './mattermost.ts';
import { ntfyNotifier } from './ntfy.ts';
import { pushoverNotifier } from './pushover.ts';
import { rocketchatNotifier } from './rocketchat.ts';
import { slackNotifier } from './slack.ts';
import { teamsNotifier } from './teams.ts';
import { telegramNotifier } from './telegram.ts';
import { webhookNotifier } from './webhook.ts';

/** Every kind of notifier: config, JSON Schema, example and contract tests follow from this list. */
export const notifierDefinitions = [
  slackNotifier,
  discordNotifier,
  webhookNotifier,
  teamsNotifier,
  mattermostNotifier,
  rocketchatNotifier,
  telegramNotifier,
  matrixNotifier,
  ntfyNotifier,
  gotifyNotifier,
  pushoverNotifier,
  emailNotifier,
  appriseNotifier,
  alertmanagerNotifier,
  lokiNotifier,
  consoleNotifier,
] as const satisfies readonly Pick<NotifierDefinition, 'type' | 'summary' | 'options' | 'pace'>[];
