import { answerTasks } from '../answer-tasks.ts';
import { explore } from './explorer.ts';
import type { Plan } from './step.ts';

answerTasks((plan: Plan) => explore(plan));
